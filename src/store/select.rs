//! A SELECT with optional conditions, put together from its parts for either database.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Database, FromRow, Postgres, Sqlite};

use super::paging::{COUNTED, bounds};
use crate::{
    db::{Result, Store, on_pool},
    domain::{EventType, UrlId, UserId, page::PageStart},
};

/// A statement and the values of its placeholders. Its text is made of constants alone.
#[derive(Debug, Clone)]
pub(super) struct Select {
    sql: String,
    values: Vec<Value>,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Number(i64),
    Flag(bool),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<UserId> for Value {
    fn from(id: UserId) -> Self {
        Self::Number(id.0)
    }
}

impl From<UrlId> for Value {
    fn from(id: UrlId) -> Self {
        Self::Number(id.0)
    }
}

impl From<EventType> for Value {
    fn from(event_type: EventType) -> Self {
        Self::Text(event_type.as_str().to_owned())
    }
}

/// Binds the values to a query of either database.
macro_rules! bound {
    ($query:expr, $values:expr) => {
        $values.into_iter().fold($query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Flag(flag) => query.bind(flag),
            Value::Text(text) => query.bind(text),
        })
    };
}

impl Select {
    /// Begins a statement.
    pub(super) fn new(head: &'static str) -> Self {
        Self { sql: head.to_owned(), values: Vec::new() }
    }

    /// Goes on with `sql`.
    #[must_use]
    pub(super) fn push(mut self, sql: &'static str) -> Self {
        self.sql.push_str(sql);
        self
    }

    /// Goes on with the placeholder of `value`.
    #[must_use]
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        // Writing to a String cannot fail.
        let _ = write!(self.sql, "${}", self.values.len());
        self
    }

    /// Adds the condition `sql`, which ends before its value, if there is a value.
    #[must_use]
    pub(super) fn and(self, sql: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.push(" AND ").push(sql).bind(value),
            None => self,
        }
    }

    /// Adds an order and the bounds of a page.
    #[must_use]
    pub(super) fn page(self, order: &'static str, start: PageStart, limit: u32) -> Self {
        let (_, offset) = bounds(start);
        self.push(order).push(" LIMIT ").bind(i64::from(limit)).push(" OFFSET ").bind(offset)
    }

    /// The rows.
    pub(super) async fn rows<R>(self, store: &Store) -> Result<Vec<R>>
    where
        R: for<'r> FromRow<'r, <Postgres as Database>::Row> + for<'r> FromRow<'r, <Sqlite as Database>::Row>,
        R: Send + Unpin,
    {
        let Self { sql, values } = self;
        Ok(on_pool!(store, |pool, Db| {
            bound!(sqlx::query_as::<Db, R>(AssertSqlSafe(sql)), values).fetch_all(pool).await
        })?)
    }

    /// How many rows there are, [`COUNTED`] at most.
    pub(super) async fn count(self, store: &Store) -> Result<i64> {
        let Self { sql, values } = self;
        let sql = format!("SELECT count(*) FROM ({sql} LIMIT {COUNTED}) counted");
        Ok(on_pool!(store, |pool, Db| {
            bound!(sqlx::query_scalar::<Db, i64>(AssertSqlSafe(sql)), values).fetch_one(pool).await
        })?)
    }
}
