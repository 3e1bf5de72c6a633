//! Filling a temporary table with a chunk of rows: by COPY on PostgreSQL, by multi-row insertion on SQLite.

use sqlx::{QueryBuilder, Sqlite, query_builder::Separated, sqlite::SqliteConnection};

use super::{Bulk, cell::Cell, copy::CopyText};
use crate::db::{PgTx, Result, TxInner, dialect::Sql};

/// Rows that one statement stages on SQLite: 32,766 bound values would be allowed, but the statement is kept prepared,
/// and larger ones are no faster.
const SQLITE_ROWS: usize = 250;

/// A temporary table: how a chunk gets into it, each row after its number, and how it is emptied.
#[derive(Debug)]
pub(super) struct Staging {
    /// COPY for PostgreSQL, the head of an INSERT for SQLite.
    pub(super) fill: Sql,
    /// PostgreSQL would keep the dead rows of a DELETE until the end; SQLite knows no TRUNCATE.
    pub(super) empty: Sql,
}

/// The staging table of this name, whose cells have these columns.
macro_rules! staging {
    ($table:literal, $columns:expr) => {
        $crate::store::bulk::staging::Staging {
            fill: $crate::db::dialect::Sql {
                postgres: concat!("COPY ", $table, " (nth, ", $columns, ") FROM STDIN"),
                sqlite: concat!("INSERT INTO ", $table, " (nth, ", $columns, ") "),
            },
            empty: $crate::db::dialect::Sql {
                postgres: concat!("TRUNCATE ", $table),
                sqlite: concat!("DELETE FROM ", $table),
            },
        }
    };
}
pub(super) use staging;

impl Bulk<'_> {
    /// Puts `rows` into a temporary table, in place of the chunk before.
    pub(super) async fn stage<const N: usize>(&mut self, table: &Staging, rows: Vec<[Cell<'_>; N]>) -> Result<()> {
        self.run(table.empty.on(self.tx.is_embedded())).await?;
        match &mut self.tx.inner {
            TxInner::Postgres(tx, _) => copy_rows(tx, table.fill.postgres, &rows).await,
            TxInner::Sqlite(tx, _) => insert_rows(tx, table.fill.sqlite, &rows).await,
        }
    }
}

async fn copy_rows<const N: usize>(tx: &mut PgTx, fill: &'static str, rows: &[[Cell<'_>; N]]) -> Result<()> {
    let mut text = CopyText::default();
    for (nth, row) in rows.iter().enumerate() {
        text.cell(Cell::Number(number(nth)));
        row.iter().for_each(|cell| text.cell(*cell));
        text.end_row();
    }
    let mut copy = tx.copy_in(fill).await?;
    copy.send(text.into_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

async fn insert_rows<const N: usize>(
    connection: &mut SqliteConnection,
    fill: &'static str,
    rows: &[[Cell<'_>; N]],
) -> Result<()> {
    for (part, rows) in rows.chunks(SQLITE_ROWS).enumerate() {
        let mut statement = QueryBuilder::<Sqlite>::new(fill);
        statement.push_values(rows.iter().enumerate(), |mut values, (nth, row)| {
            bind(&mut values, Cell::Number(number(part * SQLITE_ROWS + nth)));
            row.iter().for_each(|cell| bind(&mut values, *cell));
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
