//! The whole of the data as it was at one moment, read in pieces while others go on writing.

use sqlx::{Sqlite, Transaction};

use super::{
    PgTx, Result, Store,
    columns::{event_columns, url_columns, user_columns},
};
use crate::domain::{Event, EventId, ShortCode, Url, UrlId, User, UserId, clock::Timestamp};

const USERS: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id > $1 ORDER BY id LIMIT $2");
const URLS: &str = concat!("SELECT ", url_columns!(), " FROM urls WHERE id > $1 ORDER BY id LIMIT $2");
const EVENTS: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE id > $1 ORDER BY id LIMIT $2");
const RETIRED: &str = r"
    SELECT short_code, retired_at
    FROM codes
    WHERE short_code > $1 AND retired_at IS NOT NULL
    ORDER BY short_code
    LIMIT $2
";

pub(crate) const STATEMENTS: &[&str] = &[USERS, URLS, EVENTS, RETIRED];

/// PostgreSQL's isolation level in which every statement sees what the first one saw.
const BEGIN_POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A transaction that reads. On SQLite a long one keeps the write-ahead log from being checkpointed.
#[derive(Debug)]
pub enum Snapshot {
    /// On PostgreSQL.
    Postgres(PgTx),
    /// On SQLite.
    Sqlite(Transaction<'static, Sqlite>),
}

/// A code that was once used, by a link that is gone.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RetiredCode {
    /// The code.
    pub short_code: ShortCode,
    /// When its link was deleted, UTC.
    pub retired_at: Timestamp,
}

/// Runs one body on the connection of a snapshot; the optional second name becomes the database's type.
macro_rules! on_snapshot {
    ($snapshot:expr, |$conn:ident $(, $db:ident)?| $body:expr) => {
        match $snapshot {
            $crate::db::snapshot::Snapshot::Postgres(tx) => {
                $(type $db = sqlx::Postgres;)?
                let $conn = &mut *tx;
                $body
            }
            $crate::db::snapshot::Snapshot::Sqlite(tx) => {
                $(type $db = sqlx::Sqlite;)?
                let $conn = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use on_snapshot;

/// Reads the rows after `$after`, `$limit` of them at most.
macro_rules! rows_after {
    ($snapshot:expr, $sql:expr, $after:expr, $limit:expr) => {
        on_snapshot!($snapshot, |conn| {
            sqlx::query_as($sql).bind($after).bind(i64::from($limit)).fetch_all(conn).await?
        })
    };
}

impl Store {
    /// Begins to read. What is read is what was there at the first read.
    ///
    /// # Errors
    /// If no connection can be had in time.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        match self {
            Self::Postgres { pool, .. } => Ok(Snapshot::Postgres(pool.current().begin_with(BEGIN_POSTGRES).await?)),
            Self::Sqlite { pool, .. } => Ok(Snapshot::Sqlite(pool.begin().await?)),
        }
    }
}

impl Snapshot {
    /// Users in `id` order.
    pub async fn users(&mut self, after: UserId, limit: u32) -> Result<Vec<User>> {
        Ok(rows_after!(self, USERS, after, limit))
    }

    /// Links in `id` order.
    pub async fn urls(&mut self, after: UrlId, limit: u32) -> Result<Vec<Url>> {
        Ok(rows_after!(self, URLS, after, limit))
    }

    /// Events in `id` order.
    pub async fn events(&mut self, after: EventId, limit: u32) -> Result<Vec<Event>> {
        Ok(rows_after!(self, EVENTS, after, limit))
    }

    /// Codes once used, in the order of their bytes; `after` may be empty.
    pub async fn retired_codes(&mut self, after: &str, limit: u32) -> Result<Vec<RetiredCode>> {
        Ok(rows_after!(self, RETIRED, after, limit))
    }
}
