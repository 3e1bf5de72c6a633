//! The fleet's ledger of clicks: what the replicas took, and what became of it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::{
    api::client,
    stack::{Container, Stack},
};

/// How long the replicas may take to write what they hold.
const PATIENCE: Duration = Duration::from_secs(20);
const STORED: &str = "SELECT count(*) FROM events WHERE event_type = 'click'";
const PENDING: &str = "SELECT count(*) FROM click_pending";
const TOTAL: &str = "SELECT coalesce(sum(clicks), 0) FROM click_totals";

/// Counts of clicks since the replicas were started, and in the database.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ledger {
    accepted: u64,
    stored: u64,
    lost: u64,
    events: u64,
    rolled_up: u64,
}

impl Ledger {
    /// Reads the counts as soon as nothing is queued.
    pub(crate) async fn read(stack: &Stack, replicas: &[Container]) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut ledger = Self::default();
            for replica in replicas {
                ledger.add(&replica.url()).await?;
            }
            // What large batches left is folded after ten seconds, by whichever replica is there.
            let is_folded = stack.sql(PENDING).await?.trim() == "0";
            if is_folded && ledger.accepted == ledger.stored + ledger.lost {
                ledger.events = stack.sql(STORED).await?.trim().parse()?;
                ledger.rolled_up = stack.sql(TOTAL).await?.trim().parse()?;
                return Ok(ledger);
            }
            if Instant::now() > deadline {
                bail!("clicks are still queued or to be folded: {ledger:?}");
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn add(&mut self, replica: &str) -> Result<()> {
        let page = client(PATIENCE).get(format!("{replica}/metrics")).send().await?.text().await?;
        let sum = |name: &str| -> Result<u64> {
            let series = page.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
            let numbers = series.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
            numbers.sum::<Result<u64, _>>().context("a counter is a whole number")
        };
        self.accepted += sum("buoy_clicks_accepted_total")?;
        self.stored += sum("buoy_clicks_stored_total")?;
        self.lost += sum("buoy_clicks_lost_total")?;
        Ok(())
    }

    /// Fails unless every click that was taken since `before` is in the database, once, and in the rollups.
    pub(crate) fn nothing_lost_since(&self, before: &Self) -> Result<String> {
        let accepted = self.accepted - before.accepted;
        ensure!(self.lost == before.lost, "{} clicks were lost", self.lost - before.lost);
        let (events, rolled_up) = (self.events - before.events, self.rolled_up - before.rolled_up);
        ensure!(events == accepted, "{accepted} clicks were taken, {events} are stored");
        ensure!(rolled_up == accepted, "{accepted} clicks were taken, {rolled_up} are in the rollups");
        Ok(format!("{accepted} clicks taken, all stored"))
    }
}
