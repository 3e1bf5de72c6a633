//! A database of one's own for each test: a file in a temporary folder, or one on the server that `TEST_DATABASE_URL`
//! names. It is gone when the test has ended, however it ended.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use buoy::db::{Store, StoreSettings};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::template;

/// What an SQLite database is called in its folder.
const FILE: &str = "buoy.db";

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// An empty database with the newest schema, unless it was asked for without one.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) kind: Kind,
    /// What `DATABASE_URL` is set to.
    pub(crate) url: String,
    /// Its name on the server; empty for a file.
    pub(crate) name: String,
    folder: tempfile::TempDir,
}

impl Database {
    /// A database with the newest schema: a copy of a migrated one.
    pub(crate) async fn fresh(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let database = Self::empty(kind).await;
                std::fs::copy(template::file().await, database.file()).expect("the migrated file can be copied");
                database
            }
            Kind::Postgres => Self::on_server(template::database().await).await,
        }
    }

    /// A database without a schema.
    pub(crate) async fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder can be made");
                let url = format!("sqlite:{}", folder.path().join(FILE).display());
                Self { kind, url, name: String::new(), folder }
            }
            Kind::Postgres => Self::on_server("template0").await,
        }
    }

    /// A copy of a database of the server.
    async fn on_server(template: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let name = format!("buoy_test_{:016x}", rand::random::<u64>());
        on_server(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        Self { kind: Kind::Postgres, url: database_on_server(&name), name, folder }
    }

    /// The file of an SQLite database.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// A folder that goes with the database.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs statements behind the program's back.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match self.kind {
            Kind::Sqlite => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("the file can be opened");
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.expect("the server answers");
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
        };
        done.expect("the statements run");
    }

    /// A store of the test's own on this database.
    pub(crate) async fn store(&self) -> Store {
        let settings = StoreSettings {
            pool_size: 8,
            wait: Duration::from_secs(10),
            ..StoreSettings::of(self.url.parse().expect("the address is sound"))
        };
        Store::open(&settings).await.expect("the database can be opened")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.kind == Kind::Postgres {
            let drop_database = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            let drop_role = format!("DROP ROLE IF EXISTS {}_user", self.name);
            // A thread and a runtime of its own: this may run inside a test's runtime.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime can be made").block_on(async {
                    on_server(&drop_database).await;
                    on_server(&drop_role).await;
                });
            });
            dropped.join().ok();
        }
    }
}

/// The address of the server that tests may do with as they like.
pub(crate) fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names no PostgreSQL server; `scripts/test` starts one and sets it")
}

/// The address of a database on that server.
pub(super) fn database_on_server(name: &str) -> String {
    let mut url = url::Url::parse(&server_url()).expect("TEST_DATABASE_URL is an address");
    url.set_path(name);
    url.into()
}

/// Runs statements as the owner of the server.
pub(crate) async fn on_server(sql: &str) {
    let mut connection = PgConnection::connect(&server_url()).await.expect("the server of TEST_DATABASE_URL answers");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("the server obeys");
    connection.close().await.ok();
}
