//! Every named statement, for the tests: each is prepared on both databases.

use sqlx::{Executor as _, SqlSafeStr as _};

use crate::{
    db::{Result, Store, dialect, on_pool, privileges, sequences, snapshot},
    fleet::{diagnose, replicas},
    stats::{exported, pending, read, reconcile, record, retention, rollups, watermark},
    store::{bulk, events, idempotency, keys, ledger, limits, ranking, urls, users},
};

/// Said alike on both databases.
const PORTABLE: &[&[&str]] = &[
    users::STATEMENTS,
    urls::STATEMENTS,
    urls::create::STATEMENTS,
    urls::change::STATEMENTS,
    events::STATEMENTS,
    ledger::STATEMENTS,
    idempotency::STATEMENTS,
    keys::STATEMENTS,
    limits::STATEMENTS,
    record::STATEMENTS,
    bulk::STATEMENTS,
    snapshot::STATEMENTS,
    read::STATEMENTS,
    ranking::STATEMENTS,
    retention::STATEMENTS,
    reconcile::STATEMENTS,
    exported::STATEMENTS,
];

/// Worded for each database.
const WORDED: &[&[dialect::Sql]] = &[
    dialect::STATEMENTS,
    rollups::STATEMENTS,
    record::ROW_STATEMENTS,
    reconcile::ROW_STATEMENTS,
    watermark::ROW_STATEMENTS,
    bulk::ROW_STATEMENTS,
    urls::change::ROW_STATEMENTS,
];

/// Never sent to SQLite.
const POSTGRES: &[&[&str]] = &[
    dialect::POSTGRES_STATEMENTS,
    replicas::STATEMENTS,
    privileges::STATEMENTS,
    sequences::STATEMENTS,
    diagnose::STATEMENTS,
    pending::STATEMENTS,
];

/// Prepares every named statement against the schema of `store`, and answers how many there are. A statement that one
/// database does not understand fails here rather than at a visitor's request.
///
/// # Errors
/// The first statement's that cannot be prepared.
pub async fn prepare_all(store: &Store) -> Result<usize> {
    let postgres = if store.is_embedded() { &[] } else { POSTGRES };
    let plain = PORTABLE.iter().chain(postgres).copied().flatten().copied();
    let worded = WORDED.iter().copied().flatten().map(|sql| sql.on(store.is_embedded()));
    let statements: Vec<&'static str> = plain.chain(worded).collect();
    for sql in &statements {
        on_pool!(store, |pool| {
            pool.prepare((*sql).into_sql_str()).await?;
        });
    }
    Ok(statements.len())
}
