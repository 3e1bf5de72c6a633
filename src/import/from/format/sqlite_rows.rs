//! An SQLite database: the rows of a table named `urls`, which is Chhoto's.

use std::{path::Path, sync::Arc};

use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::{
    Column as _, ConnectOptions as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tokio::runtime::Handle;

use super::Sink;
use crate::import::from::fields::{Fields, plain};

const ROWS: &str = "SELECT * FROM urls";

/// Reads rows. Called from a thread that may wait.
pub(super) fn read(path: &Path, sink: &mut Sink<'_>) -> Result<(), String> {
    let handle = Handle::try_current().map_err(|error| error.to_string())?;
    handle.block_on(read_rows(path, sink)).map_err(|error| format!("cannot be read: {error}"))
}

async fn read_rows(path: &Path, sink: &mut Sink<'_>) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await?;
    let mut rows = sqlx::query(ROWS).fetch(&mut connection);
    let (mut nth, table): (u64, Arc<str>) = (0, "urls".into());
    while let Some(row) = rows.try_next().await? {
        nth += 1;
        let pairs = row.columns().iter().map(|column| (plain(column.name()).into(), value(&row, column.ordinal())));
        if sink(Fields::new(nth, Arc::clone(&table), pairs.collect())).is_break() {
            break;
        }
    }
    drop(rows);
    connection.close().await
}

fn value(row: &SqliteRow, ordinal: usize) -> Value {
    let kind = row.try_get_raw(ordinal).map(|raw| raw.type_info().name().to_owned()).unwrap_or_default();
    match kind.as_str() {
        "INTEGER" => row.try_get::<i64, _>(ordinal).map_or(Value::Null, Value::from),
        "TEXT" => row.try_get::<String, _>(ordinal).map_or(Value::Null, Value::from),
        _ => Value::Null,
    }
}
