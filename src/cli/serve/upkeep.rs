//! What the service does beside requests: it deletes rows past their time, and migrates if that is configured.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    db::Store, fleet::monitor::wait_for_server, http::idempotency::KEPT_FOR, state::AppState,
    stats::retention::MAX_LEAP,
};

/// How often rows past their time are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// How soon after an outage that is tried again.
const PRUNE_RETRY: Duration = Duration::from_secs(1);
/// How long the receipts of click batches are kept: far longer than any process tries a batch again.
const RECEIPTS_KEPT_FOR: chrono::Duration = chrono::Duration::hours(24);
/// How long one attempt to migrate waits for the database.
const MIGRATE_WAIT: Duration = Duration::from_secs(3_600);
/// Pause after a migration that failed.
const MIGRATE_RETRY: Duration = Duration::from_secs(5);

/// Deletes recorded answers, receipts, click events and visitors past their time, while the database can be used.
pub(super) async fn prune(app: AppState, event_days: Option<u32>, stop: CancellationToken) {
    loop {
        let mut wait = PRUNE_EVERY;
        if app.availability.outage().is_some() {
            wait = PRUNE_RETRY;
        } else if let Some(Err(error)) = stop.run_until_cancelled(prune_once(&app, event_days)).await {
            tracing::warn!(%error, "could not delete what is past its time");
        }
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

async fn prune_once(app: &AppState, event_days: Option<u32>) -> crate::db::Result<()> {
    let now = app.clock.now();
    let store = app.store()?;
    store.prune_answers(now - KEPT_FOR).await?;
    store.prune_receipts(now - RECEIPTS_KEPT_FOR).await?;
    store.prune_buckets(now).await?;
    let swept = store.sweep(event_days, now).await?;
    if swept.clicks > 0 {
        tracing::info!(clicks = swept.clicks, "deleted click events that are past their time");
    }
    if event_days.is_some() && swept.leap > MAX_LEAP {
        tracing::warn!(
            days = swept.leap,
            "the clock is far beyond the last time that click events were deleted, so most are kept; if it is right, \
             run `buoy sweep --catch-up`"
        );
    }
    Ok(())
}

/// Migrates as soon as the server answers; the monitor sees the new schema by itself.
pub(super) async fn migrate(store: Store, stop: CancellationToken) {
    let migrated = async {
        loop {
            match migrate_once(&store).await {
                Ok(()) => return tracing::info!("schema up to date"),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "could not migrate the schema, trying again");
                }
            }
            tokio::time::sleep(MIGRATE_RETRY).await;
        }
    };
    stop.run_until_cancelled(migrated).await;
}

async fn migrate_once(store: &Store) -> anyhow::Result<()> {
    wait_for_server(store, MIGRATE_WAIT).await?;
    store.migrate().await?;
    Ok(())
}
