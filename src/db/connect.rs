//! From `DATABASE_URL` to a [`Store`]. Nothing here waits for a server: PostgreSQL's pool connects when it is first
//! used, and [`crate::fleet::monitor`] tells whether it can.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, SqliteConnection,
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
/// How long a statement of a list or count may take.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// Instructions of SQLite's machine after which the time is looked at: some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

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
    let (rest, lists) = shares(settings.pool_size);
    let pool = |connections: u32, timeout: Duration| {
        let options = PgPoolOptions::new()
            .max_connections(connections)
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
        ReplaceablePool::new(options, server.queries(timeout), server.opening(timeout))
    };
    let of_lists = (lists > 0).then(|| pool(lists, LIST_TIMEOUT.min(settings.statement_timeout)));
    let pool = pool(rest, settings.statement_timeout).beside(of_lists);
    Store::Postgres { server: Arc::new(server.clone()), pool, peers: Arc::new(Peers::new()) }
}

/// How many connections lists have, and how many everything else has: a third and the rest.
fn shares(connections: u32) -> (u32, u32) {
    let lists = if connections > 1 { connections.div_ceil(3).min(connections - 1) } else { 0 };
    (connections - lists, lists)
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
    let (readers, lists) = if in_memory { (0, 0) } else { shares(settings.pool_size.min(SQLITE_READERS)) };
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(settings.wait)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let write_turn = Arc::new(Semaphore::new(1));
    let lists = (lists > 0).then(|| {
        let limited = pool(lists)
            .after_connect(|connection, _| Box::pin(limit_list(connection)))
            .before_acquire(|connection, _| Box::pin(async move { limit_list(connection).await.map(|()| true) }));
        limited.connect_lazy_with(options.clone())
    });
    // One more for the writer.
    let pool = pool(readers + 1).connect_with(options).await?;
    Ok(Store::Sqlite { pool, lists, write_turn, wait: settings.wait })
}

/// SQLite has no statement timeout: from now on the connection interrupts whatever runs for longer than [`LIST_TIMEOUT`].
async fn limit_list(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let begun = Instant::now();
    connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN_LOOKS, move || begun.elapsed() < LIST_TIMEOUT);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_a_third_of_the_connections_and_never_the_last() {
        for (connections, expected) in [(1, (1, 0)), (2, (1, 1)), (3, (2, 1)), (5, (3, 2)), (8, (5, 3)), (9, (6, 3))] {
            assert_eq!(shares(connections), expected, "{connections}");
        }
    }

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
