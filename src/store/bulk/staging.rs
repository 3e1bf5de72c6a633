//! Filling a temporary table with a chunk of rows. A row says once which values it has; both ways of sending them
//! follow from that.

use sqlx::{QueryBuilder, Sqlite, query_builder::Separated, sqlite::SqliteConnection};

use super::{Bulk, BulkCode, BulkEvent, BulkUrl, BulkUser, cell::Cell, copy::CopyText};
use crate::{
    db::{PgTx, Result, TxInner, dialect::Sql},
    domain::ShortCode,
};

/// Rows that one statement stages on SQLite: 32,766 bound values would be allowed, but the statement is kept prepared, and
/// larger ones are no faster.
const SQLITE_ROWS: usize = 250;

/// A row that can be staged. The columns of the statements are those of `cells`, after the row's number.
pub(super) trait Staged {
    /// COPY for PostgreSQL, the head of an INSERT for SQLite.
    const FILL: Sql;
    /// Empties the table: PostgreSQL would keep the dead rows of a DELETE until the end, SQLite knows no TRUNCATE.
    const EMPTY: Sql;

    /// Hands out the values in the order of the columns.
    fn cells<'a>(&'a self, put: &mut dyn FnMut(Cell<'a>));
}

impl Bulk<'_> {
    /// Puts `rows` into their temporary table, in place of the chunk before.
    pub(super) async fn stage<T: Staged>(&mut self, rows: &[T]) -> Result<()> {
        self.run(T::EMPTY.on(self.tx.is_embedded())).await?;
        match &mut self.tx.inner {
            TxInner::Postgres(tx, _) => copy_rows(tx, rows).await,
            TxInner::Sqlite(tx, _) => insert_rows(tx, rows).await,
        }
    }
}

async fn copy_rows<T: Staged>(tx: &mut PgTx, rows: &[T]) -> Result<()> {
    let mut text = CopyText::default();
    for (nth, row) in rows.iter().enumerate() {
        text.cell(Cell::Number(number(nth)));
        row.cells(&mut |cell| text.cell(cell));
        text.end_row();
    }
    let mut copy = tx.copy_in(T::FILL.postgres).await?;
    copy.send(text.into_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

async fn insert_rows<T: Staged>(connection: &mut SqliteConnection, rows: &[T]) -> Result<()> {
    for (part, rows) in rows.chunks(SQLITE_ROWS).enumerate() {
        let mut statement = QueryBuilder::<Sqlite>::new(T::FILL.sqlite);
        statement.push_values(rows.iter().enumerate(), |mut values, (nth, row)| {
            bind(&mut values, Cell::Number(number(part * SQLITE_ROWS + nth)));
            row.cells(&mut |cell| bind(&mut values, cell));
        });
        // The rest of a chunk may have any size: a statement for each would crowd out the others.
        let is_full = rows.len() == SQLITE_ROWS;
        statement.build().persistent(is_full).execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind(values: &mut Separated<'_, Sqlite, &'static str>, cell: Cell<'_>) {
    match cell {
        Cell::Number(value) => values.push_bind(value),
        Cell::Text(value) => values.push_bind(value),
        Cell::Flag(value) => values.push_bind(value),
        Cell::Time(value) => values.push_bind(value),
    };
}

fn number(nth: usize) -> Option<i64> {
    i64::try_from(nth).ok()
}

impl Staged for BulkUser {
    const FILL: Sql = Sql {
        postgres: "COPY import_users (nth, id, username, email, created_at) FROM STDIN",
        sqlite: "INSERT INTO import_users (nth, id, username, email, created_at) ",
    };
    const EMPTY: Sql = Sql { postgres: "TRUNCATE import_users", sqlite: "DELETE FROM import_users" };

    fn cells<'a>(&'a self, put: &mut dyn FnMut(Cell<'a>)) {
        match self {
            Self::Row { id, username, email, created_at } => {
                put(Cell::Number(id.map(|id| id.0)));
                put(Cell::Text(Some(username.as_str())));
                put(Cell::Text(Some(email.as_str())));
                put(Cell::Time(Some(*created_at)));
            }
            Self::LeftOut(id) => {
                put(Cell::Number(Some(id.0)));
                put(Cell::Text(None));
                put(Cell::Text(None));
                put(Cell::Time(None));
            }
        }
    }
}

impl Staged for BulkCode {
    const FILL: Sql = Sql {
        postgres: "COPY import_codes (nth, short_code, retired_at) FROM STDIN",
        sqlite: "INSERT INTO import_codes (nth, short_code, retired_at) ",
    };
    const EMPTY: Sql = Sql { postgres: "TRUNCATE import_codes", sqlite: "DELETE FROM import_codes" };

    fn cells<'a>(&'a self, put: &mut dyn FnMut(Cell<'a>)) {
        put(Cell::Text(Some(self.short_code.as_str())));
        put(Cell::Time(Some(self.retired_at)));
    }
}

impl Staged for BulkEvent {
    const FILL: Sql = Sql {
        postgres: "COPY import_events (nth, id, url_id, user_id, event_type, timestamp, details) FROM STDIN",
        sqlite: "INSERT INTO import_events (nth, id, url_id, user_id, event_type, timestamp, details) ",
    };
    const EMPTY: Sql = Sql { postgres: "TRUNCATE import_events", sqlite: "DELETE FROM import_events" };

    fn cells<'a>(&'a self, put: &mut dyn FnMut(Cell<'a>)) {
        put(Cell::Number(self.id.map(|id| id.0)));
        put(Cell::Number(Some(self.url_id.0)));
        put(Cell::Number(self.user_id.map(|id| id.0)));
        put(Cell::Text(Some(self.event_type.as_str())));
        put(Cell::Time(Some(self.timestamp)));
        put(Cell::Text(Some(self.details.as_str())));
    }
}

/// A link and the code it is stored with, its own or a generated one.
#[derive(Debug)]
pub(super) struct CodedUrl<'r> {
    /// The link as it was given.
    pub(super) url: &'r BulkUrl,
    /// A generated code, where it has none of its own.
    pub(super) generated: Option<ShortCode>,
}

impl Staged for CodedUrl<'_> {
    const FILL: Sql = Sql {
        postgres: "COPY import_urls (nth, id, user_id, short_code, is_chosen, original_url, title, is_active, \
                   created_at, updated_at, disabled_reason) FROM STDIN",
        sqlite: "INSERT INTO import_urls (nth, id, user_id, short_code, is_chosen, original_url, title, is_active, \
                 created_at, updated_at, disabled_reason) ",
    };
    const EMPTY: Sql = Sql { postgres: "TRUNCATE import_urls", sqlite: "DELETE FROM import_urls" };

    fn cells<'a>(&'a self, put: &mut dyn FnMut(Cell<'a>)) {
        let url = self.url;
        let code = url.short_code.as_ref().or(self.generated.as_ref());
        put(Cell::Number(url.id.map(|id| id.0)));
        put(Cell::Number(Some(url.user_id.0)));
        put(Cell::Text(code.map(ShortCode::as_str)));
        put(Cell::Flag(url.short_code.is_some()));
        put(Cell::Text(Some(url.original_url.as_str())));
        put(Cell::Text(url.title.as_ref().map(|title| title.as_str())));
        put(Cell::Flag(url.is_active));
        put(Cell::Time(Some(url.created_at)));
        put(Cell::Time(Some(url.updated_at)));
        put(Cell::Text(url.disabled_reason.as_ref().map(|reason| reason.as_str())));
    }
}
