//! A database of one's own for each test: a file in a temporary folder, or one on the server that `TEST_DATABASE_URL`
//! names. It is gone when the test has ended, however it ended.

use std::{path::Path, time::Duration};

use buoy::store::{Store, StoreSettings};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

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
    name: String,
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

    /// Adds users `u1` to `u<rows>`, faster than over HTTP.
    pub(crate) async fn add_users(&self, rows: u32) {
        self.fill(rows, "users (username, email, created_at) SELECT 'u' || i, 'u' || i || '@x.example', AT").await;
    }

    /// Adds links `c1` to `c<rows>` of user 1, faster than over HTTP.
    pub(crate) async fn add_urls(&self, rows: u32) {
        let select = "urls (user_id, short_code, original_url, title, is_active, created_at, updated_at) \
                      SELECT 1, 'c' || i, 'https://example.com/articles/' || i, 'Article ' || i, TRUE, AT, AT";
        self.fill(rows, select).await;
    }

    /// Adds `click` events of link 1, faster than over HTTP.
    pub(crate) async fn add_events(&self, rows: u32) {
        let select = "events (url_id, user_id, event_type, timestamp, details) SELECT 1, NULL, 'click', AT, '{}'";
        self.fill(rows, select).await;
    }

    async fn fill(&self, rows: u32, insertion: &str) {
        if rows == 0 {
            return;
        }
        let insertion = insertion.replace("AT", "'2026-01-01T00:00:00+00:00'");
        let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
        self.execute(&format!("{numbers} INSERT INTO {insertion} FROM n")).await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.kind == Kind::Postgres {
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            // A thread and a runtime of its own: this may run inside a test's runtime.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime can be made").block_on(on_server(&sql));
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

async fn on_server(sql: &str) {
    let mut connection = PgConnection::connect(&server_url()).await.expect("the server of TEST_DATABASE_URL answers");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("the server obeys");
    connection.close().await.ok();
}
