//! A SELECT with optional conditions, put together from its parts for either database.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Database, FromRow, Postgres, Sqlite};

use super::paging::{COUNTED, bounds};
use crate::{
    db::{Result, Store, on_pool},
    domain::{
        EmailAddress, EventType, ShortCode, UrlId, UserId, Username,
        clock::{Span, Timestamp},
        page::{PageStart, Sort, SortKey},
    },
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
    Time(Timestamp),
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

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

macro_rules! text_values {
    ($($name:ty),*) => {
        $(impl From<$name> for Value {
            fn from(text: $name) -> Self {
                Self::Text(text.as_str().to_owned())
            }
        })*
    };
}
text_values!(EmailAddress, EventType, ShortCode, Username);

/// Binds the values to a query of either database.
macro_rules! bound {
    ($query:expr, $values:expr) => {
        $values.into_iter().fold($query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Flag(flag) => query.bind(flag),
            Value::Text(text) => query.bind(text),
            Value::Time(time) => query.bind(time),
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

    /// Adds the condition that the time in `column` is within `span`.
    #[must_use]
    pub(super) fn within(self, column: &'static str, span: Span) -> Self {
        let ends = [(" >= ", span.after), (" < ", span.before)];
        ends.into_iter().fold(self, |select, (sign, end)| match end {
            Some(end) => select.push(" AND ").push(column).push(sign).bind(end),
            None => select,
        })
    }

    /// Adds the condition that rows come after the one that a cursor names.
    #[must_use]
    pub(super) fn beyond(self, sort: Sort, id: &'static str, start: PageStart) -> Self {
        let PageStart::After(cursor) = start else { return self };
        let sign = if sort.descending { " < " } else { " > " };
        let value = match sort.key {
            SortKey::Id => return self.push(" AND ").push(id).push(sign).bind(cursor.id),
            SortKey::CreatedAt => Value::Time(Timestamp::from_timestamp_micros(cursor.value).unwrap_or_default()),
            SortKey::Clicks => Value::Number(cursor.value),
        };
        let row = self.push(" AND (").push(sort.key.name()).push(", ").push(id).push(")");
        row.push(sign).push("(").bind(value).push(", ").bind(cursor.id).push(")")
    }

    /// Adds the order.
    #[must_use]
    pub(super) fn ordered(self, sort: Sort, id: &'static str) -> Self {
        let direction = if sort.descending { " DESC" } else { "" };
        let select = self.push(" ORDER BY ");
        let select = match sort.key {
            SortKey::Id => select,
            key => select.push(key.name()).push(direction).push(", "),
        };
        select.push(id).push(direction)
    }

    /// Adds the order and the bounds of a page.
    #[must_use]
    pub(super) fn page(self, sort: Sort, id: &'static str, start: PageStart, limit: u32) -> Self {
        let (_, offset) = bounds(start);
        let ordered = self.beyond(sort, id, start).ordered(sort, id);
        ordered.push(" LIMIT ").bind(i64::from(limit)).push(" OFFSET ").bind(offset)
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
