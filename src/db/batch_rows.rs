//! Many rows for one statement, whose text is the same however many they are: arrays on PostgreSQL, a JSON text on
//! SQLite.

use sqlx::{Database, FromRow, Postgres, Sqlite};

use super::{Result, Tx, TxInner, dialect::Sql};
use crate::domain::clock::Timestamp;

/// One statement over rows named `b`: its text up to `FROM`, the columns with their place and their type on
/// PostgreSQL, and the rest. Place 0 of SQLite's rows is empty, so that both count from 1.
macro_rules! over_rows {
    ($head:literal, ($first:literal $first_type:literal $first_name:literal
        $(, $nth:literal $kind:literal $name:literal)*), $($tail:expr),+) => {
        $crate::db::dialect::Sql {
            postgres: concat!(
                $head, " FROM unnest($", $first, "::", $first_type, "[]" $(, ", $", $nth, "::", $kind, "[]")*,
                ") AS b (", $first_name $(, ", ", $name)*, ") ", $($tail),+
            ),
            sqlite: concat!(
                $head, " FROM (SELECT value ->> ", $first, " AS ", $first_name
                $(, ", value ->> ", $nth, " AS ", $name)*, " FROM json_each($1)) AS b ", $($tail),+
            ),
        }
    };
}
pub(crate) use over_rows;

/// The values of one column, one for each row.
#[derive(Debug)]
pub(crate) enum Column<'a> {
    /// Whole numbers.
    Numbers(Vec<i64>),
    /// Whole numbers, some of which are not known.
    Optional(Vec<Option<i64>>),
    /// Texts.
    Texts(Vec<&'a str>),
    /// Moments.
    Times(Vec<Timestamp>),
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Optional(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Times(values) => values.len(),
        }
    }

    fn json(&self, row: usize) -> serde_json::Value {
        match self {
            Self::Numbers(values) => values[row].into(),
            Self::Optional(values) => values[row].into(),
            Self::Texts(values) => values[row].into(),
            // As sqlx writes times to SQLite, which compares them as text.
            Self::Times(values) => values[row].to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false).into(),
        }
    }
}

impl Tx {
    /// Runs a statement of [`over_rows!`] and answers how many rows it changed. No rows, no statement.
    pub(crate) async fn change_rows(&mut self, sql: Sql, columns: Vec<Column<'_>>) -> Result<u64> {
        if is_empty(&columns) {
            return Ok(0);
        }
        Ok(match &mut self.inner {
            TxInner::Postgres(tx, _) => {
                bound(sqlx::query(sql.postgres), columns).execute(&mut *tx).await?.rows_affected()
            }
            TxInner::Sqlite(tx, _) => {
                sqlx::query(sql.sqlite).bind(json(&columns)).execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    /// Runs a statement of [`over_rows!`] that answers rows.
    pub(crate) async fn ask_rows<R>(&mut self, sql: Sql, columns: Vec<Column<'_>>) -> Result<Vec<R>>
    where
        R: for<'r> FromRow<'r, <Postgres as Database>::Row> + for<'r> FromRow<'r, <Sqlite as Database>::Row>,
        R: Send + Unpin,
    {
        if is_empty(&columns) {
            return Ok(Vec::new());
        }
        Ok(match &mut self.inner {
            TxInner::Postgres(tx, _) => {
                let rows = bound(sqlx::query(sql.postgres), columns).fetch_all(&mut *tx).await?;
                rows.iter().map(R::from_row).collect::<std::result::Result<_, _>>()?
            }
            TxInner::Sqlite(tx, _) => {
                let rows = sqlx::query(sql.sqlite).bind(json(&columns)).fetch_all(&mut **tx).await?;
                rows.iter().map(R::from_row).collect::<std::result::Result<_, _>>()?
            }
        })
    }
}

type PostgresQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

fn bound<'q>(query: PostgresQuery<'q>, columns: Vec<Column<'q>>) -> PostgresQuery<'q> {
    columns.into_iter().fold(query, |query, column| match column {
        Column::Numbers(values) => query.bind(values),
        Column::Optional(values) => query.bind(values),
        Column::Texts(values) => query.bind(values),
        Column::Times(values) => query.bind(values),
    })
}

fn is_empty(columns: &[Column<'_>]) -> bool {
    columns.first().is_none_or(|column| column.len() == 0)
}

fn json(columns: &[Column<'_>]) -> String {
    let rows = columns.first().map_or(0, Column::len);
    let row = |row: usize| -> serde_json::Value {
        std::iter::once(serde_json::Value::Null).chain(columns.iter().map(|column| column.json(row))).collect()
    };
    (0..rows).map(row).collect::<serde_json::Value>().to_string()
}
