//! From `DATABASE_URL` to a [`Store`]. Nothing here waits for a server: PostgreSQL's pool connects when it is first
//! used, and [`crate::fleet::monitor`] tells whether it can.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _, SqliteConnection,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Semaphore;

use super::{
    DatabaseUrl, Peers, ReplaceablePool, Result, SchemaName, Server, Store, Tls, database_url::Options, sqlite_file,
};

/// A connection idle for longer than this is tried before it is used: after an outage the pool holds dead ones.
const TRY_AFTER_IDLE: Duration = Duration::from_millis(500);
/// Its timeout: if packets are dropped, no answer ever comes.
const TRY_LIMIT: Duration = Duration::from_millis(200);
/// How long an idle connection is kept.
const KEEP_IDLE: Duration = Duration::from_secs(300);
/// SQLite readers at most; they do not wait for the writer.
const SQLITE_READERS: u32 = 8;
/// How long a statement of a list or count may take.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long PostgreSQL works on any other statement before it gives up.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Instructions of SQLite's machine after which the time is looked at: some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// How a store uses its database.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Its address.
    pub url: DatabaseUrl,
    /// The direct address, if the other one leads to a pooler in transaction mode.
    pub direct_url: Option<DatabaseUrl>,
    /// Encryption; as the address says if there is none.
    pub tls: Option<Tls>,
    /// The authority that signed the server's certificate, as PEM text.
    pub ca_cert: Option<String>,
    /// The schema that holds the tables; the role's own if there is none.
    pub schema: Option<SchemaName>,
    /// Connections at most.
    pub pool_size: u32,
    /// How long a call waits for a connection, or on SQLite for the permit to write.
    pub wait: Duration,
    /// Whether the embedded database may be used.
    pub embedded: bool,
    /// Whether the service migrates a server's database at its start.
    pub migrate: bool,
}

impl StoreSettings {
    /// The usual settings for an address.
    pub fn of(url: DatabaseUrl) -> Self {
        let (pool_size, wait) = (5, Duration::from_millis(800));
        let (direct_url, tls, ca_cert, schema) = (None, None, None, None);
        Self { url, direct_url, tls, ca_cert, schema, pool_size, wait, embedded: true, migrate: false }
    }
}

impl Store {
    /// Opens the store. PostgreSQL is not contacted yet; an SQLite file is created and brought to the newest schema.
    ///
    /// # Errors
    /// An error if an SQLite file cannot be opened.
    pub async fn open(settings: &StoreSettings) -> Result<Self> {
        match &settings.url.options {
            Options::Postgres(options) => Ok(open_postgres(Server::new(options, settings), settings)),
            Options::Sqlite(options) => {
                if let Some(file) = settings.url.file() {
                    sqlite_file::create_private(file);
                }
                let opened = async {
                    let store = open_sqlite(options, settings).await?;
                    store.migrate().await?;
                    Ok(store)
                };
                opened.await.map_err(|error| sqlite_file::explained(&settings.url, error))
            }
        }
    }

    /// The same for a database that is there: no SQLite file is created.
    ///
    /// # Errors
    /// As [`Store::open`], and if there is no such file.
    pub async fn open_existing(settings: &StoreSettings) -> Result<Self> {
        sqlite_file::check_existing(&settings.url)?;
        Self::open(settings).await
    }
}

fn open_postgres(server: Server, settings: &StoreSettings) -> Store {
    let server = Arc::new(server);
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
        ReplaceablePool::new(options, Arc::clone(&server), timeout)
    };
    let of_lists = (lists > 0).then(|| pool(lists, LIST_TIMEOUT));
    let pool = pool(rest, STATEMENT_TIMEOUT).beside(of_lists);
    Store::Postgres { server, pool, peers: Arc::new(Peers::new()) }
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
        // What is deleted is overwritten: salts and e-mail addresses do not stay in the file.
        .pragma("secure_delete", "on")
        .busy_timeout(settings.wait);
    let (readers, lists) = shares(settings.pool_size.min(SQLITE_READERS));
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(settings.wait)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_release(|connection, _| Box::pin(has_ended(connection)))
    };
    let write_turn = Arc::new(Semaphore::new(1));
    let lists = (lists > 0).then(|| {
        pool(lists)
            .after_connect(|connection, _| Box::pin(limit_list(connection)))
            .before_acquire(|connection, _| Box::pin(async move { limit_list(connection).await.map(|()| true) }))
    });
    // One more for the writer.
    let pool = pool(readers + 1).connect_with(options.clone()).await?;
    let lists = match lists {
        // Connected now, since it never writes and so stays: on a full disk, those that failed to write are closed, and
        // the first connection to a file needs room beside it.
        Some(lists) => Some(lists.connect_with(options).await?),
        None => None,
    };
    Ok(Store::Sqlite { pool, lists, write_turn, wait: settings.wait })
}

/// Whether no transaction is left on a connection that comes back. After a full disk or a failed write SQLite undoes a
/// transaction by itself. The driver's own attempt then fails, and it would take every later transaction for a part of
/// this one.
async fn has_ended(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // Waits for the attempt.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// SQLite has no statement timeout: from now on the connection interrupts whatever runs for longer than
/// [`LIST_TIMEOUT`].
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
}
