//! What is past its time: click events that are to be kept for so many days, and all that tells visitors apart.
//!
//! Promises: rows go in steps of [`STEP`] at most, each a short transaction, and one process at a time deletes;
//! rollups and the events of links' lives stay; `kept_since_day` moves on in the transaction that deletes the first
//! click of a day, so that the clicks left of that day are not taken for all of them. While events are
//! imported, nothing is deleted. Leaves out: when to do it.

use std::time::Instant;

use crate::{
    db::{Lock, Result, Store, Tx, dialect, on_pool, on_tx},
    domain::{
        clock::Timestamp,
        rollup::{day_of, first_moment},
    },
};

const KEPT_SINCE: &str = "SELECT value FROM click_state WHERE name = 'kept_since_day'";
const KEEP_SINCE: &str = r"
    INSERT INTO click_state (name, value)
    VALUES ('kept_since_day', $1)
    ON CONFLICT (name) DO UPDATE
    SET value = excluded.value
    WHERE click_state.value < excluded.value";
/// The end of a step through the visitors: they are deleted by a range of their key, which costs no more the more
/// there are.
const STEP_ENDS: &str = r"
    SELECT day, subject, visitor
    FROM visitors
    WHERE day <= $1
    ORDER BY day, subject, visitor
    LIMIT 1 OFFSET $2";
const PRUNE_VISITORS: &str = "DELETE FROM visitors WHERE day <= $1 AND (day, subject, visitor) <= ($2, $3, $4)";
const PRUNE_SALTS: &str = "DELETE FROM visitor_salts WHERE day <= $1";

pub(crate) const STATEMENTS: &[&str] = &[KEPT_SINCE, KEEP_SINCE, STEP_ENDS, PRUNE_VISITORS, PRUNE_SALTS];

/// Rows that one transaction deletes at most.
pub const STEP: i64 = 5_000;
/// Days that a visitor can be told from others for, beside the present one: the day's salt is 48 hours old then at
/// most.
const VISITOR_DAYS: i64 = 2;

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Click events.
    pub clicks: u64,
    /// Rows that told visitors apart.
    pub visitors: u64,
}

/// What is past its time, by days since 1970-01-01 in UTC.
#[derive(Debug, Clone, Copy)]
enum Past {
    /// Click events of the days before this one.
    Clicks { first_kept: i64 },
    /// Visitors of the days up to this one.
    Visitors { until: i64 },
}

impl Store {
    /// Deletes what is past its time: click events older than `click_days` whole days in UTC (none: they are kept for
    /// ever), and visitors and salts of the days before yesterday. Between two steps it rests for as long as the last
    /// one took. If another process is at it, nothing is done.
    ///
    /// # Errors
    /// If the database fails; the steps before stay.
    pub async fn sweep(&self, click_days: Option<u32>, now: Timestamp) -> Result<Swept> {
        let today = day_of(now);
        let mut swept = Swept::default();
        if let Some(days) = click_days {
            let first_kept = today - i64::from(days);
            swept.clicks = self.delete_in_steps(Past::Clicks { first_kept }).await?;
        }
        swept.visitors = self.delete_in_steps(Past::Visitors { until: today - VISITOR_DAYS }).await?;
        Ok(swept)
    }

    /// The first day (since 1970-01-01, UTC) of which all click events are there; none if they were never pruned.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn clicks_kept_since(&self) -> Result<Option<i64>> {
        Ok(on_pool!(self, |pool| sqlx::query_scalar(KEPT_SINCE).fetch_optional(pool).await)?)
    }

    async fn delete_in_steps(&self, past: Past) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let begun = Instant::now();
            let mut tx = self.begin().await?;
            if !tx.try_lock(Lock::Retention).await? {
                return Ok(deleted);
            }
            let rows = match past {
                Past::Clicks { first_kept } => tx.prune_clicks(first_kept).await?,
                Past::Visitors { until } => tx.prune_visitors(until).await?,
            };
            tx.commit().await?;
            deleted += rows;
            if rows < STEP.unsigned_abs() {
                return Ok(deleted);
            }
            tokio::time::sleep(begun.elapsed()).await;
        }
    }
}

impl Tx {
    /// The first day of which all click events are there, as [`Store::clicks_kept_since`]; it stays so until the
    /// transaction ends, since no other process deletes events in it. Waits for another process' step.
    pub(crate) async fn hold_kept_since(&mut self) -> Result<Option<i64>> {
        self.share_lock(Lock::Retention).await?;
        Ok(on_tx!(self, |conn| sqlx::query_scalar(KEPT_SINCE).fetch_optional(conn).await)?)
    }

    /// Moves the day since which all clicks are kept, never back.
    pub(crate) async fn keep_since(&mut self, day: i64) -> Result<()> {
        on_tx!(self, |conn| {
            sqlx::query(KEEP_SINCE).bind(day).execute(conn).await?;
        });
        Ok(())
    }

    async fn prune_clicks(&mut self, first_kept: i64) -> Result<u64> {
        let prune = dialect::PRUNE_CLICKS.on(self.is_embedded());
        let deleted = on_tx!(self, |conn| {
            sqlx::query(prune).bind(first_moment(first_kept)).bind(STEP).execute(conn).await?.rows_affected()
        });
        if deleted > 0 {
            self.keep_since(first_kept).await?;
        }
        Ok(deleted)
    }

    async fn prune_visitors(&mut self, until: i64) -> Result<u64> {
        let end: Option<(i64, i64, i64)> =
            on_tx!(self, |conn| sqlx::query_as(STEP_ENDS).bind(until).bind(STEP - 1).fetch_optional(conn).await?);
        let (day, subject, visitor) = end.unwrap_or((until, i64::MAX, i64::MAX));
        Ok(on_tx!(self, |conn| {
            sqlx::query(PRUNE_SALTS).bind(until).execute(&mut *conn).await?;
            let statement = sqlx::query(PRUNE_VISITORS).bind(until).bind(day).bind(subject).bind(visitor);
            statement.execute(conn).await?.rows_affected()
        }))
    }
}
