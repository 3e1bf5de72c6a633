//! From `DATABASE_URL` to a [`Store`]. Nothing here waits for a server: PostgreSQL's pool connects when it is first
//! used, and [`crate::fleet::monitor`] tells whether it can.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Semaphore;

use super::{Peers, Reach, ReplaceablePool, Result, Server, Store};

/// A connection idle for longer than this is tried before it is used: after an outage the pool holds dead ones.
const TRY_AFTER_IDLE: Duration = Duration::from_millis(500);
/// How long that may take: where packets are dropped, no answer ever comes.
const TRY_LIMIT: Duration = Duration::from_millis(200);
/// How long an idle connection is kept.
const KEEP_IDLE: Duration = Duration::from_secs(300);
/// SQLite readers at most; they do not wait for the writer.
const SQLITE_READERS: u32 = 8;

/// Where the database is.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A server.
    Postgres(Box<Server>),
    /// A file, created where it is missing.
    Sqlite(Box<SqliteConnectOptions>),
}

/// How a store uses its database.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where it is.
    pub url: DatabaseUrl,
    /// Connections at most.
    pub pool_size: u32,
    /// How long a call waits for a connection, or on SQLite for its turn to write.
    pub wait: Duration,
    /// How long PostgreSQL works on one statement before it gives up.
    pub statement_timeout: Duration,
}

/// Why a database URL was refused. Never holds the URL, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDatabaseUrl(String);

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidDatabaseUrl> {
        let refuse = |error: sqlx::Error| InvalidDatabaseUrl(format!("is malformed: {error}"));
        match text.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => {
                let options: PgConnectOptions = text.parse().map_err(refuse)?;
                let options = options.application_name("buoy").disable_statement_logging();
                Ok(Self::Postgres(Box::new(Server::new(options, text))))
            }
            Some("sqlite") => {
                let options: SqliteConnectOptions = text.parse().map_err(refuse)?;
                Ok(Self::Sqlite(Box::new(options.disable_statement_logging())))
            }
            _ => Err(InvalidDatabaseUrl("must begin with postgres:, postgresql: or sqlite:".to_owned())),
        }
    }
}

impl DatabaseUrl {
    /// Whether this names the embedded database.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// The same database, reached as `reach` says; a file is a file.
    #[must_use]
    pub fn reached(self, reach: &Reach) -> Self {
        match self {
            Self::Postgres(server) => Self::Postgres(Box::new(server.reached(reach))),
            Self::Sqlite(_) => self,
        }
    }
}

impl Store {
    /// Opens the store. PostgreSQL is not contacted yet; an SQLite file is created and brought to the newest schema.
    ///
    /// # Errors
    /// Where an SQLite file cannot be opened or migrated.
    pub async fn open(settings: &StoreSettings) -> Result<Self> {
        match &settings.url {
            DatabaseUrl::Postgres(server) => Ok(open_postgres(server, settings)),
            DatabaseUrl::Sqlite(options) => {
                let store = open_sqlite(options, settings).await?;
                store.migrate().await?;
                Ok(store)
            }
        }
    }
}

fn open_postgres(server: &Server, settings: &StoreSettings) -> Store {
    let options = server.queries(settings.statement_timeout);
    let pool = PgPoolOptions::new()
        .max_connections(settings.pool_size)
        .acquire_timeout(settings.wait)
        .idle_timeout(KEEP_IDLE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRY_AFTER_IDLE {
                    let answer = tokio::time::timeout(TRY_LIMIT, sqlx::Connection::ping(connection)).await;
                    return Ok(matches!(answer, Ok(Ok(()))));
                }
                Ok(true)
            })
        });
    let pool = ReplaceablePool::new(pool, options, server.opening(settings.statement_timeout));
    Store::Postgres { server: Arc::new(server.clone()), pool, peers: Arc::new(Peers::new()) }
}

async fn open_sqlite(options: &SqliteConnectOptions, settings: &StoreSettings) -> Result<Store> {
    // Write-ahead log: readers see the last committed state while one writes. Synchronous FULL: what was answered
    // survives a power cut.
    let options = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(settings.wait);
    // An in-memory database belongs to its connection.
    let in_memory =
        options.get_filename().to_str().is_some_and(|name| name.contains(":memory:") || name.contains("mode=memory"));
    let connections = if in_memory { 1 } else { settings.pool_size.min(SQLITE_READERS) + 1 };
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(settings.wait)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(Store::Sqlite { pool, write_turn: Arc::new(Semaphore::new(1)), wait: settings.wait })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_url_does_not_show_its_password() {
        for url in ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h:port/d", "hunter2", "", "${db.DATABASE_URL}"] {
            let error = url.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!("postgresql://u@h/d".parse::<DatabaseUrl>().is_ok());
        assert!("sqlite:buoy.db".parse::<DatabaseUrl>().unwrap().is_embedded());
    }
}
