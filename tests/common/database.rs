//! A database of one's own for each test: a file in a temporary folder, or one on the server that `TEST_DATABASE_URL`
//! names. It is gone when the test has ended, however it ended.

use std::{path::Path, time::Duration};

use buoy::db::{Store, StoreSettings};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

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
    /// What it is called on the server.
    pub(crate) name: String,
    folder: tempfile::TempDir,
}

impl Database {
    /// A database with the newest schema.
    pub(crate) async fn fresh(kind: Kind) -> Self {
        let database = Self::empty(kind).await;
        let store = database.store().await;
        store.migrate().await.expect("the schema can be made");
        store.close().await;
        database
    }

    /// A database without a schema.
    pub(crate) async fn empty(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let name = format!("buoy_test_{:016x}", rand::random::<u64>());
        let url = match kind {
            Kind::Sqlite => format!("sqlite:{}", folder.path().join("buoy.db").display()),
            Kind::Postgres => {
                on_server(&format!("CREATE DATABASE {name} TEMPLATE template0")).await;
                database_on_server(&name)
            }
        };
        Self { kind, url, name, folder }
    }

    /// A folder that goes with the database.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A store of the test's own on this database.
    pub(crate) async fn store(&self) -> Store {
        let settings = StoreSettings {
            url: self.url.parse().expect("the address is sound"),
            pool_size: 8,
            wait: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
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
fn database_on_server(name: &str) -> String {
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
