//! `buoy migrate`: the only command that changes PostgreSQL's schema.

use anyhow::{Context as _, bail};

use super::PATIENCE;
use crate::{
    db::{Store, StoreSettings, migrate::SchemaState},
    fleet::monitor::wait_for_server,
};

/// Applies the migrations that are missing. Several processes may run this concurrently: one works, the others find
/// nothing to do.
///
/// # Errors
/// If the database cannot be reached within two minutes, or a migration fails; its changes are rolled back.
pub async fn run(settings: &StoreSettings) -> anyhow::Result<()> {
    let store = Store::open(settings).await?;
    wait_for_server(&store, PATIENCE).await?;
    store.migrate().await.context("the schema is as it was before the migration that failed")?;
    let state = store.schema_state().await?;
    store.close().await;
    match state {
        SchemaState::Sufficient { version } => tracing::info!(schema.version = version, "schema up to date"),
        other => bail!("the schema is not up to date after migrating: {other:?}"),
    }
    Ok(())
}
