//! All data as it was at one moment, read in chunks while others write.

use std::sync::Arc;

use super::{
    Result, Store, Tx, TxInner,
    columns::{event_columns, url_columns, user_columns},
    on_tx,
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

/// A code that was once used, by a link that is gone.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RetiredCode {
    /// The code.
    pub short_code: ShortCode,
    /// When its link was deleted, UTC.
    pub retired_at: Timestamp,
}

/// Reads the rows after `$after`, `$limit` of them at most.
macro_rules! rows_after {
    ($tx:expr, $sql:expr, $after:expr, $limit:expr) => {
        on_tx!($tx, |conn| { sqlx::query_as($sql).bind($after).bind(i64::from($limit)).fetch_all(conn).await? })
    };
}

impl Store {
    /// Begins a transaction that reads what was there at its first read. On SQLite a long one keeps the write-ahead log
    /// from being checkpointed.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(Tx::new(match self {
            Self::Postgres { pool, peers, .. } => {
                TxInner::Postgres(pool.current().begin_with(BEGIN_POSTGRES).await?, Arc::clone(peers))
            }
            Self::Sqlite { pool, .. } => TxInner::Sqlite(pool.begin().await?, None),
        }))
    }
}

impl Tx {
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
