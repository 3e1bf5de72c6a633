//! The database: PostgreSQL or SQLite, with one SQL text for both.
//!
//! [`Store`] is an enum of two pools, [`Tx`] a transaction that writes. The macros `on_pool!` and `on_tx!` run one body
//! on either; what cannot be said in portable SQL is in [`dialect`]. Nothing is held in the database between two calls
//! but a [`Tx`]. Every method fails with a [`StoreError`], which says whether the database or the request is at fault.

pub mod address;
pub mod announcement;
pub mod backup;
pub mod batch_rows;
pub(crate) mod columns;
pub mod connect;
pub mod database_url;
mod detour;
pub mod dialect;
pub mod error;
pub mod locks;
pub mod migrate;
pub mod pool;
pub mod pooler;
pub mod private_file;
pub mod privileges;
pub mod receipts;
pub mod restore;
pub mod sequences;
pub mod snapshot;
mod sqlite_file;

use std::{sync::Arc, time::Duration};

use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::announcement::{ANNOUNCEMENTS, Announcement, News, UNAWAITED};
pub use self::{
    address::{SchemaName, Server, Tls},
    announcement::Changes,
    connect::StoreSettings,
    database_url::DatabaseUrl,
    error::StoreError,
    locks::Lock,
    pool::ReplaceablePool,
    pooler::{Connections, PgTx},
    receipts::{Peers, Receipt},
};
use crate::domain::{Caller, ShortCode};

/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A handle on the database, cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    /// A fleet's database.
    Postgres {
        /// The ways to it.
        server: Arc<Server>,
        /// Its connections.
        pool: ReplaceablePool,
        /// The other replicas.
        peers: Arc<Peers>,
    },
    /// The embedded database.
    Sqlite {
        /// Its connections.
        pool: SqlitePool,
        /// Those of lists, unless there is one for everything.
        lists: Option<SqlitePool>,
        /// SQLite has one writer at a time; here they queue in order of arrival instead of polling for its lock.
        write_turn: Arc<Semaphore>,
        /// How long a writer waits for its turn.
        wait: Duration,
    },
}

/// A transaction. Rolled back if it is dropped without [`Tx::commit`].
#[derive(Debug)]
pub struct Tx {
    pub(crate) inner: TxInner,
    pub(crate) changes: Changes,
    /// Whether another replica may have cached otherwise what changed, so that it must be told.
    pub(crate) is_announced: bool,
    pub(crate) caller: Caller,
}

/// The transaction of either database.
#[derive(Debug)]
pub(crate) enum TxInner {
    /// With whom the change is to be shared.
    Postgres(PgTx, Arc<Peers>),
    /// With the permit to write, unless it only reads.
    Sqlite(Transaction<'static, Sqlite>, Option<OwnedSemaphorePermit>),
}

/// What a pool's connections do.
#[derive(Debug, Clone, Copy)]
pub struct PoolUse {
    /// Connections.
    pub size: u32,
    /// Idle connections.
    pub idle: usize,
}

/// A transaction that is in the database.
#[derive(Debug)]
#[must_use = "what caches know of the changed links is to be dropped"]
pub struct Committed {
    /// Which links it changed.
    pub changes: Changes,
    /// The wait for the other replicas, if there are any.
    pub receipt: Option<Receipt>,
}

impl Committed {
    /// For what turned out to change no link.
    pub(crate) fn nothing() -> Self {
        Self { changes: Changes::default(), receipt: None }
    }
}

/// Runs one body on the pool of either database; the optional second name becomes the database's type.
macro_rules! on_pool {
    ($store:expr, |$pool:ident $(, $db:ident)?| $body:expr) => {
        match $store {
            $crate::db::Store::Postgres { pool, .. } => {
                $(type $db = sqlx::Postgres;)?
                let $pool = &pool.current();
                $body
            }
            $crate::db::Store::Sqlite { pool: $pool, .. } => {
                $(type $db = sqlx::Sqlite;)?
                $body
            }
        }
    };
}

/// Runs one body on the connection of either kind of transaction; the optional second name as in `on_pool!`.
macro_rules! on_tx {
    ($tx:expr, |$conn:ident $(, $db:ident)?| $body:expr) => {
        match &mut $tx.inner {
            $crate::db::TxInner::Postgres(tx, _) => {
                $(type $db = sqlx::Postgres;)?
                let $conn = tx;
                $body
            }
            $crate::db::TxInner::Sqlite(tx, _) => {
                $(type $db = sqlx::Sqlite;)?
                let $conn = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use {on_pool, on_tx};

impl Store {
    /// Begins a transaction that writes. On SQLite it takes the write lock immediately, so that what it reads cannot
    /// change before it writes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if no connection, or on SQLite no turn, can be had in time.
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match self {
            Self::Postgres { pool, peers, .. } => TxInner::Postgres(pool.current().begin().await?, Arc::clone(peers)),
            Self::Sqlite { pool, write_turn, wait, .. } => {
                let turn = tokio::time::timeout(*wait, write_turn.clone().acquire_owned())
                    .await
                    .map_err(|_| StoreError::Unavailable("another change is still being written".to_owned()))?
                    .map_err(|_| StoreError::Unavailable("the database is closed".to_owned()))?;
                TxInner::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?, Some(turn))
            }
        };
        Ok(Tx::new(inner))
    }

    /// The same for what `caller` asked for: what they may not see is not there, and what they do is put down to them.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn begin_as(&self, caller: Caller) -> Result<Tx> {
        Ok(Tx { caller, ..self.begin().await? })
    }

    /// How many connections there are, and how many of them are idle.
    pub fn pool_use(&self) -> PoolUse {
        let (size, idle) = match self {
            Self::Postgres { pool, .. } => pool.in_use(),
            Self::Sqlite { pool, lists, .. } => {
                let pools = || [Some(pool), lists.as_ref()].into_iter().flatten();
                (pools().map(SqlitePool::size).sum(), pools().map(SqlitePool::num_idle).sum())
            }
        };
        PoolUse { size, idle }
    }

    /// The connections that there may be, without those of lists.
    pub fn connections(&self) -> u32 {
        match self {
            Self::Postgres { pool, .. } => pool.limit(),
            Self::Sqlite { pool, .. } => pool.options().get_max_connections(),
        }
    }

    /// The same database over the connections of lists and counts: a few, so that these never take the last one from
    /// redirects, clicks and changes. Each statement has [`connect::LIST_TIMEOUT`].
    #[must_use]
    pub fn for_lists(&self) -> Self {
        let mut store = self.clone();
        match &mut store {
            Self::Postgres { pool, .. } => *pool = pool.for_lists(),
            Self::Sqlite { pool, lists, .. } => {
                if let Some(lists) = lists.take() {
                    *pool = lists;
                }
            }
        }
        store
    }

    /// The other replicas; the embedded database has none.
    pub fn peers(&self) -> Option<&Peers> {
        match self {
            Self::Postgres { peers, .. } => Some(peers),
            Self::Sqlite { .. } => None,
        }
    }

    /// Whether this is the embedded database.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    /// Waits until every connection has been returned, and closes them.
    pub async fn close(&self) {
        match self {
            Self::Postgres { pool, .. } => pool.close().await,
            Self::Sqlite { pool, lists, .. } => {
                pool.close().await;
                if let Some(lists) = lists {
                    lists.close().await;
                }
            }
        }
    }
}

impl Tx {
    pub(crate) fn new(inner: TxInner) -> Self {
        Self { inner, changes: Changes::default(), is_announced: false, caller: Caller::Open }
    }

    /// Notes a link whose code was generated just now: no other replica can have cached it.
    pub(crate) fn note_created(&mut self, code: &ShortCode) {
        self.changes.add(code);
    }

    /// Notes a link of which a replica may have cached what was true before.
    pub(crate) fn note_changed(&mut self, code: &ShortCode) {
        self.changes.add(code);
        self.is_announced = true;
    }

    /// Notes changed links in place of those noted so far.
    pub(crate) fn note_all(&mut self, changes: Changes) {
        self.is_announced = !changes.is_empty();
        self.changes = changes;
    }

    /// Makes the changes permanent, in a process that caches no link. Other replicas hear which links changed, and
    /// nothing waits for them.
    pub async fn commit(mut self) -> Result<()> {
        if let TxInner::Postgres(tx, peers) = &mut self.inner
            && self.is_announced
        {
            announce(tx, &announcement(peers, UNAWAITED, &self.changes)?).await?;
        }
        self.end().await.map(drop)
    }

    /// Makes the changes permanent and announces them to the other replicas in the same transaction; the caller then
    /// invalidates its own cache and waits for the others. If the connection breaks, it is unknown whether the changes
    /// were made.
    pub async fn commit_links(mut self) -> Result<Committed> {
        let mut receipt = None;
        if let TxInner::Postgres(tx, peers) = &mut self.inner
            && self.is_announced
        {
            let (text, wait) = awaited(peers, &self.changes)?;
            announce(tx, &text).await?;
            receipt = wait;
        }
        let changes = self.end().await?;
        Ok(Committed { changes, receipt })
    }

    async fn end(self) -> Result<Changes> {
        match self.inner {
            TxInner::Postgres(tx, _) => tx.commit().await?,
            // The permit is released after the commit.
            TxInner::Sqlite(tx, _permit) => tx.commit().await?,
        }
        Ok(self.changes)
    }

    /// Undoes the changes.
    ///
    /// # Errors
    /// If the connection breaks; the database then undoes them by itself.
    pub async fn rollback(self) -> Result<()> {
        match self.inner {
            TxInner::Postgres(tx, _) => tx.rollback().await?,
            TxInner::Sqlite(tx, _) => tx.rollback().await?,
        }
        Ok(())
    }

    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.inner, TxInner::Sqlite(..))
    }
}

/// The announcement of a change that every live replica is to acknowledge, and the wait for them. Made before the
/// change is committed, since they may answer immediately after.
pub(crate) fn awaited(peers: &Arc<Peers>, changes: &Changes) -> Result<(String, Option<Receipt>)> {
    let (number, receipt) = peers.expect();
    Ok((announcement(peers, number, changes)?, receipt))
}

fn announcement(peers: &Peers, number: u64, changes: &Changes) -> Result<String> {
    let announcement = Announcement::of(peers.own(), News::Changed(number, changes.clone()));
    serde_json::to_string(&announcement).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

async fn announce(tx: &mut PgTx, text: &str) -> Result<()> {
    sqlx::query(dialect::ANNOUNCE).bind(ANNOUNCEMENTS).bind(text).execute(tx).await?;
    Ok(())
}
