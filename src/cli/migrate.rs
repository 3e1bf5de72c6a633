//! `buoy migrate`: the one place where PostgreSQL's schema changes. Once, it adds clicks that are older than the rollups to
//! these.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::{PATIENCE, open_store, store_settings};
use crate::{
    config::DatabaseConfig,
    store::{Store, backfill::RolledUp, migrate::SchemaState, monitor::wait_for_server},
};

/// How long another process that adds clicks to the rollups is waited for, before the wait begins anew.
const OTHERS_TURN: Duration = Duration::from_secs(1);
/// How often it is said how far that has come.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Applies the migrations that are missing, and rolls up clicks that are older than the rollups. Several may run at once; one works, the others find nothing left to do.
///
/// # Errors
/// Where the database cannot be reached within two minutes, or a migration fails; what it changed is undone then.
pub async fn run(config: &DatabaseConfig) -> anyhow::Result<()> {
    let settings = store_settings(config)?;
    wait_for_server(&settings.url, PATIENCE).await?;
    let store = open_store(config).await?;
    store.migrate().await.context("the schema is as it was before the migration that failed")?;
    roll_up(&store).await.context("what was added to the rollups so far stays; run it again for the rest")?;
    let state = store.schema_state().await?;
    store.close().await;
    match state {
        SchemaState::Sufficient { version } => tracing::info!(schema.version = version, "schema up to date"),
        other => bail!("the schema is not up to date after migrating: {other:?}"),
    }
    Ok(())
}

/// Adds clicks that are older than the rollups to these, in steps; waits where another process does it.
async fn roll_up(store: &Store) -> anyhow::Result<()> {
    let (mut clicks, mut told) = (0, Instant::now());
    while let RolledUp::Until(done, end) = store.rolled_up().await? {
        match store.roll_up_step().await? {
            Some(added) => clicks += added,
            None => tokio::time::sleep(OTHERS_TURN).await,
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tracing::info!(clicks, event.id = done, last.id = end, "adding older clicks to the statistics");
        }
    }
    if clicks > 0 {
        tracing::info!(clicks, "added older clicks to the statistics");
    }
    Ok(())
}
