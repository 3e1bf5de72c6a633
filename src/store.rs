//! The store: users, links and events in PostgreSQL or SQLite, with one SQL text for both.
//!
//! Promises: every list is bounded and in `id` order; a change and the events it leaves are one transaction; a code
//! once used is never given to another link; nothing is held in the database between two calls but a [`Tx`].
//! Leaves out: what an answer looks like, and waiting for the database (see [`monitor`]).
//!
//! The macros `on_pool!` and `on_tx!` run one body on either database. What cannot be said in portable SQL is in [`dialect`].

pub mod backup;
pub mod bulk;
pub mod connect;
pub mod dialect;
pub mod error;
pub mod events;
pub mod idempotency;
pub mod migrate;
pub mod monitor;
pub mod snapshot;
pub mod urls;
pub mod users;

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::{
    connect::{DatabaseUrl, StoreSettings},
    error::StoreError,
    events::EventFilter,
    idempotency::RecordedAnswer,
    monitor::{Availability, DatabaseStatus, Monitor, Outage},
    urls::{Link, UrlFilter},
};

/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A handle on the database, cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    /// A fleet's database.
    Postgres {
        /// Its connections.
        pool: PgPool,
    },
    /// The embedded database.
    Sqlite {
        /// Its connections.
        pool: SqlitePool,
        /// SQLite has one writer at a time; here they queue in order of arrival instead of polling for its lock.
        write_turn: Arc<Semaphore>,
        /// How long a writer waits for its turn.
        wait: Duration,
    },
}

/// A transaction that writes. Rolled back where it is dropped without [`Tx::commit`].
#[derive(Debug)]
pub enum Tx {
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
    /// On SQLite, with the turn to write.
    Sqlite(Transaction<'static, Sqlite>, OwnedSemaphorePermit),
}

/// Runs one body on the pool of either database; the optional second name becomes the database's type.
macro_rules! on_pool {
    ($store:expr, |$pool:ident $(, $db:ident)?| $body:expr) => {
        match $store {
            $crate::store::Store::Postgres { pool: $pool } => {
                $(type $db = sqlx::Postgres;)?
                $body
            }
            $crate::store::Store::Sqlite { pool: $pool, .. } => {
                $(type $db = sqlx::Sqlite;)?
                $body
            }
        }
    };
}

/// Runs one body on the connection of either kind of transaction; the optional second name as in `on_pool!`.
macro_rules! on_tx {
    ($tx:expr, |$conn:ident $(, $db:ident)?| $body:expr) => {
        match $tx {
            $crate::store::Tx::Postgres(tx) => {
                $(type $db = sqlx::Postgres;)?
                let $conn = &mut **tx;
                $body
            }
            $crate::store::Tx::Sqlite(tx, _) => {
                $(type $db = sqlx::Sqlite;)?
                let $conn = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use {on_pool, on_tx};

impl Store {
    /// Begins a transaction that writes. On SQLite it takes the write lock at once, so that what it reads cannot
    /// change before it writes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where no connection, or on SQLite no turn, can be had in time.
    pub async fn begin(&self) -> Result<Tx> {
        match self {
            Self::Postgres { pool } => Ok(Tx::Postgres(pool.begin().await?)),
            Self::Sqlite { pool, write_turn, wait } => {
                let turn = tokio::time::timeout(*wait, write_turn.clone().acquire_owned())
                    .await
                    .map_err(|_| StoreError::Unavailable("another change is still being written".to_owned()))?
                    .map_err(|_| StoreError::Unavailable("the database is closed".to_owned()))?;
                Ok(Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?, turn))
            }
        }
    }

    /// Whether this is the embedded database.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    /// Waits until every connection has been returned, and closes them.
    pub async fn close(&self) {
        on_pool!(self, |pool| pool.close().await);
    }

    /// Prepares every named statement against the schema as it is, and counts them. A statement that one database
    /// does not understand shows here rather than at a visitor's request.
    ///
    /// # Errors
    /// The first statement's that cannot be prepared.
    pub async fn prepare_all(&self) -> Result<usize> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        let portable = [
            users::STATEMENTS,
            urls::STATEMENTS,
            events::STATEMENTS,
            idempotency::STATEMENTS,
            bulk::STATEMENTS,
            snapshot::STATEMENTS,
        ];
        let own = dialect::STATEMENTS.iter().map(|sql| sql.on(self.is_embedded()));
        let statements: Vec<&'static str> = portable.into_iter().flatten().copied().chain(own).collect();
        for sql in &statements {
            on_pool!(self, |pool| {
                pool.prepare((*sql).into_sql_str()).await?;
            });
        }
        Ok(statements.len())
    }
}

impl Tx {
    /// Makes the changes permanent.
    ///
    /// # Errors
    /// Where the connection breaks meanwhile, it is not known whether the changes were made.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx, _) => tx.commit().await?,
        }
        Ok(())
    }

    /// Undoes the changes.
    ///
    /// # Errors
    /// Where the connection breaks; the database then undoes them by itself.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Postgres(tx) => tx.rollback().await?,
            Self::Sqlite(tx, _) => tx.rollback().await?,
        }
        Ok(())
    }

    /// Marks a place to which [`Tx::undo_to_mark`] can return.
    ///
    /// # Errors
    /// As any statement.
    pub async fn mark(&mut self) -> Result<()> {
        on_tx!(self, |conn| {
            sqlx::raw_sql("SAVEPOINT mark").execute(conn).await?;
        });
        Ok(())
    }

    /// Undoes what was changed since [`Tx::mark`]; the transaction goes on, even after a failed statement.
    ///
    /// # Errors
    /// As any statement.
    pub async fn undo_to_mark(&mut self) -> Result<()> {
        on_tx!(self, |conn| {
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT mark").execute(conn).await?;
        });
        Ok(())
    }

    fn is_embedded(&self) -> bool {
        matches!(self, Self::Sqlite(..))
    }
}
