//! Clicks that were stored before there were rollups: added to them once, in steps.
//!
//! Promises: each click is added exactly once, however often this is broken off and begun again, since a step's clicks and
//! the note of how far it came are one transaction; statistics can be read meanwhile. Which clicks those are was noted by
//! the migration: what a new version of the program stores has larger ids. Clicks that an old version stores after the
//! migration are in no rollup; `buoy reconcile --fix` adds them.

use super::{Counted, Result, Store, Tx, on_pool, on_tx, rollups::Sums};
use crate::domain::{Details, UrlId, clock::Timestamp};

const STATE: &str = "SELECT (SELECT value FROM click_state WHERE name = 'rolled_up'), \
                     (SELECT value FROM click_state WHERE name = 'rolled_up_until'), \
                     (SELECT value FROM click_state WHERE name = 'roll_up_until')";
const CLICKS: &str = "SELECT id, url_id, timestamp, details FROM events \
                      WHERE event_type = 'click' AND id > $1 AND id <= $2 ORDER BY id LIMIT $3";
const NOTE: &str = "UPDATE click_state SET value = $2 WHERE name = $1";

pub(super) const STATEMENTS: &[&str] = &[STATE, CLICKS, NOTE];

/// Clicks that one transaction adds at most.
const STEP: i64 = 5_000;
/// The advisory lock of the process that adds them.
const LOCK: i64 = 0x6275_6f79_726f_6c6c;

/// A click as it was stored.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct StoredClick {
    pub(super) id: i64,
    pub(super) url_id: UrlId,
    pub(super) timestamp: Timestamp,
    pub(super) details: Details,
}

/// How far the rollups have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolledUp {
    /// They hold all clicks.
    All,
    /// They hold the clicks up to this id; those up to the second are still to be added.
    Until(i64, i64),
}

impl Store {
    /// Whether the rollups hold the clicks that were stored before there were any.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn rolled_up(&self) -> Result<RolledUp> {
        let state: (Option<i64>, Option<i64>, Option<i64>) =
            on_pool!(self, |pool| sqlx::query_as(STATE).fetch_one(pool).await)?;
        Ok(RolledUp::of(state))
    }

    /// Adds the next few thousand clicks; answers how many, and none where nothing is left or another process is at it.
    ///
    /// # Errors
    /// Where the database fails; the step is undone then, and can be tried again.
    pub async fn roll_up_step(&self) -> Result<Option<u64>> {
        let mut tx = self.begin().await?;
        if !tx.try_lock(LOCK).await? {
            return Ok(None);
        }
        let state: (Option<i64>, Option<i64>, Option<i64>) =
            on_tx!(tx, |conn| sqlx::query_as(STATE).fetch_one(conn).await)?;
        let RolledUp::Until(done, end) = RolledUp::of(state) else { return Ok(None) };
        let clicks: Vec<StoredClick> =
            on_tx!(tx, |conn| sqlx::query_as(CLICKS).bind(done).bind(end).bind(STEP).fetch_all(conn).await?);
        let sums: Sums<'_> = tx.counted(&clicks).await?.into_iter().collect();
        tx.roll_up(&sums).await?;
        let last = clicks.last().map_or(end, |click| click.id);
        tx.set_state("rolled_up_until", last).await?;
        if clicks.len() as u64 != STEP.unsigned_abs() {
            tx.set_state("rolled_up", 1).await?;
        }
        let _ = tx.commit().await?;
        Ok(Some(clicks.len() as u64))
    }
}

impl Tx {
    /// Stored clicks as the rollups see them.
    pub(super) async fn counted(&mut self, clicks: &[StoredClick]) -> Result<Vec<Counted<'static>>> {
        let urls: Vec<UrlId> = clicks.iter().map(|click| click.url_id).collect();
        let owners = self.owners(&urls).await?;
        let counted = |click: &StoredClick| {
            Counted::posted(click.url_id, owners.get(&click.url_id).copied(), click.timestamp, &click.details)
        };
        Ok(clicks.iter().map(counted).collect())
    }

    async fn set_state(&mut self, name: &'static str, value: i64) -> Result<()> {
        on_tx!(self, |conn| {
            sqlx::query(NOTE).bind(name).bind(value).execute(conn).await?;
        });
        Ok(())
    }
}

impl RolledUp {
    fn of((done, until, end): (Option<i64>, Option<i64>, Option<i64>)) -> Self {
        match done {
            Some(0) => Self::Until(until.unwrap_or_default(), end.unwrap_or_default()),
            _ => Self::All,
        }
    }
}
