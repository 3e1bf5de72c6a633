//! What is past its time: click events that are to be kept for so many days, and all that tells visitors apart.
//!
//! Promises: rows go in steps of [`STEP`] at most, each a short transaction, and one process at a time deletes;
//! rollups and the events of links' lives stay; `kept_since_day` moves on in the transaction that deletes the first
//! click of a day, so that the clicks left of that day are not taken for all of them. While events are
//! imported, nothing is deleted. Leaves out: when to do it.

use std::time::Instant;

use sqlx::AssertSqlSafe;

use crate::{
    db::{Lock, Result, Store, Tx, dialect, on_pool, on_tx},
    domain::{
        clock::Timestamp,
        rollup::{day_of, first_moment},
    },
};

const KEPT_SINCE: &str = "SELECT value FROM click_state WHERE name = 'kept_since_day'";
/// The last day on which expired rows were deleted.
const SWEPT_ON: &str = "SELECT value FROM click_state WHERE name = 'swept_on_day'";
/// Moves a day on, never back.
const MOVE_DAY: &str = r"
    INSERT INTO click_state (name, value)
    VALUES ($1, $2)
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
const TRUNCATE_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
const PRUNE_SALTS: &str = "DELETE FROM visitor_salts WHERE day <= $1";

pub(crate) const STATEMENTS: &[&str] = &[KEPT_SINCE, SWEPT_ON, MOVE_DAY, STEP_ENDS, PRUNE_VISITORS, PRUNE_SALTS];

/// Rows that one transaction deletes at most.
pub const STEP: i64 = 5_000;
/// Days that a visitor can be told from others for, beside the present one: the day's salt is 48 hours old then at
/// most.
const VISITOR_DAYS: i64 = 2;
/// Days by which the clock may be beyond the last sweep. One further ahead may be wrong, and click events that are
/// deleted do not come back.
pub const MAX_LEAP: i64 = 7;

/// What was deleted, and how long after the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Click events.
    pub clicks: u64,
    /// Rows that told visitors apart.
    pub visitors: u64,
    /// Days since the last sweep. Beyond [`MAX_LEAP`], click events were deleted as if it were so many days since.
    pub leap: i64,
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
    /// After an error the steps before stay.
    pub async fn sweep(&self, click_days: Option<u32>, now: Timestamp) -> Result<Swept> {
        let today = day_of(now);
        let last: Option<i64> = on_pool!(self, |pool| sqlx::query_scalar(SWEPT_ON).fetch_optional(pool).await)?;
        let mut swept = Swept { leap: today - last.unwrap_or(today), ..Swept::default() };
        let believed = today - (swept.leap - MAX_LEAP).max(0);
        if let Some(days) = click_days {
            let first_kept = believed - i64::from(days);
            swept.clicks = self.delete_in_steps(Past::Clicks { first_kept }).await?;
        }
        swept.visitors = self.delete_in_steps(Past::Visitors { until: today - VISITOR_DAYS }).await?;
        if believed == today {
            self.believe_clock(now).await?;
        }
        self.truncate_log().await?;
        Ok(swept)
    }

    /// The first day (since 1970-01-01, UTC) of which all click events are there; none if they were never pruned.
    pub async fn clicks_kept_since(&self) -> Result<Option<i64>> {
        Ok(on_pool!(self, |pool| sqlx::query_scalar(KEPT_SINCE).fetch_optional(pool).await)?)
    }

    /// Notes a sweep at this moment: from now on the clock is believed that tells it.
    pub async fn believe_clock(&self, now: Timestamp) -> Result<()> {
        on_pool!(self, |pool| {
            sqlx::query(MOVE_DAY).bind("swept_on_day").bind(day_of(now)).execute(pool).await?;
        });
        Ok(())
    }

    /// Empties the write-ahead log of SQLite, which else holds pages as they were before something was deleted. What
    /// is read meanwhile stays in it until the next time.
    async fn truncate_log(&self) -> Result<()> {
        let Self::Sqlite { pool, write_turn, wait, .. } = self else { return Ok(()) };
        // Other writers queue here rather than poll for the lock that this takes. Readers are waited for while it is
        // held, so for less than a writer waits.
        let _turn = write_turn.acquire().await.ok();
        let (patience, usual) = (wait.as_millis() / 4, wait.as_millis());
        let sql = format!("PRAGMA busy_timeout = {patience}; {TRUNCATE_LOG}; PRAGMA busy_timeout = {usual}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
        Ok(())
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
            sqlx::query(MOVE_DAY).bind("kept_since_day").bind(day).execute(conn).await?;
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
