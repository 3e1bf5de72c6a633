//! The table of replicas: who is at work on this database, and since when.
//!
//! Times in it are the database's own, so that clocks which differ do not make a replica look dead.

use std::collections::HashSet;

use sqlx::{Executor, Postgres};

use crate::{
    db::{Result, Store},
    domain::clock::Timestamp,
};

/// A replica without a heartbeat for so many seconds is not waited for. After an hour its row is deleted.
pub(super) const LIVE: &str = r"
    SELECT id
    FROM replicas
    WHERE last_seen_at > now() - interval '3 seconds'";
const LIST: &str = r"
    SELECT id, name, version, started_at, last_seen_at, totals
    FROM replicas
    WHERE last_seen_at > now() - interval '1 minute'
    ORDER BY started_at, id";
const UPSERT: &str = r"
    INSERT INTO replicas (id, name, version, started_at, last_seen_at, totals)
    VALUES ($1, $2, $3, now(), now(), $4)
    ON CONFLICT (id) DO UPDATE
    SET last_seen_at = now(), totals = excluded.totals";
const PRUNE: &str = "DELETE FROM replicas WHERE last_seen_at < now() - interval '1 hour'";
const DELETE: &str = "DELETE FROM replicas WHERE id = $1";

/// The statements of this module, which only PostgreSQL understands.
pub(crate) const STATEMENTS: &[&str] = &[LIVE, LIST, UPSERT, PRUNE, DELETE];

/// A replica as the table shows it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Replica {
    /// A random name, new with each start.
    pub id: String,
    /// The name that its answers carry as `X-Replica`.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// When it first appeared, by the database's clock.
    pub started_at: Timestamp,
    /// When it was last seen, by the database's clock.
    pub last_seen_at: Timestamp,
    /// Its counters, a JSON object.
    pub totals: String,
}

impl Store {
    /// The replicas seen in the last minute, in the order in which they came. The embedded database has none.
    pub async fn replicas(&self) -> Result<Vec<Replica>> {
        match self {
            Self::Postgres { pool, .. } => Ok(sqlx::query_as(LIST).fetch_all(&pool.current()).await?),
            Self::Sqlite { .. } => Ok(Vec::new()),
        }
    }
}

/// Writes this process's row.
pub(super) async fn upsert(
    connection: impl Executor<'_, Database = Postgres>,
    id: &str,
    name: &str,
    totals: &str,
) -> sqlx::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    sqlx::query(UPSERT).bind(id).bind(name).bind(version).bind(totals).execute(connection).await?;
    Ok(())
}

/// Deletes this process's row.
pub(super) async fn delete(connection: impl Executor<'_, Database = Postgres>, id: &str) -> sqlx::Result<()> {
    sqlx::query(DELETE).bind(id).execute(connection).await?;
    Ok(())
}

/// Deletes the rows of those who never said that they went.
pub(super) async fn prune(connection: impl Executor<'_, Database = Postgres>) -> sqlx::Result<()> {
    sqlx::query(PRUNE).execute(connection).await?;
    Ok(())
}

/// The ids of live replicas.
pub(super) async fn live(connection: impl Executor<'_, Database = Postgres>) -> sqlx::Result<HashSet<String>> {
    let ids: Vec<String> = sqlx::query_scalar(LIVE).fetch_all(connection).await?;
    Ok(ids.into_iter().collect())
}
