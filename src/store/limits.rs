//! Token buckets of users: a row each, and one statement that takes a token.
//!
//! A bucket is kept as the moment at which it is full again (GCRA). A token that is taken moves this moment on by the time that
//! brings one; a bucket is empty when it needs its whole burst. Moments are microseconds since 1970.

use std::time::Duration;

use crate::{
    db::{Result, Store, Tx, on_pool, on_tx},
    domain::{Policy, UserId, clock::Timestamp},
};

/// Takes a token: no row comes back, and none is written, if there is none. `$3` is now, `$4` the time that brings a token, `$5`
/// when a bucket that is empty now would be full. A later moment than `$6` is no bucket's: the clock was set back, or the limit
/// was lowered. It begins anew.
const TAKE: &str = "
    INSERT INTO rate_limits AS bucket (policy, user_id, full_at)
    VALUES ($1, $2, CAST($3 AS BIGINT) + CAST($4 AS BIGINT))
    ON CONFLICT (policy, user_id) DO UPDATE
    SET full_at = CASE WHEN bucket.full_at BETWEEN $3 AND $6 THEN bucket.full_at ELSE $3 END + $4
    WHERE bucket.full_at + $4 <= CAST($5 AS BIGINT)
    OR bucket.full_at > CAST($6 AS BIGINT)
    RETURNING full_at";
const FULL_AT: &str = "SELECT full_at FROM rate_limits WHERE policy = $1 AND user_id = $2";
const PRUNE: &str = "DELETE FROM rate_limits WHERE full_at < $1";

pub(crate) const STATEMENTS: &[&str] = &[TAKE, FULL_AT, PRUNE];

/// How far the clocks of replicas may be apart, in microseconds.
const CLOCK_SKEW: i64 = 60_000_000;

/// One user's bucket.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// What it limits.
    pub policy: Policy,
    /// Whose it is.
    pub user: UserId,
    /// The time that brings a token.
    pub interval: Duration,
    /// Tokens that it holds.
    pub burst: u32,
}

/// What became of a request for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken; so many are left.
    Left(u32),
    /// There is none before this time has passed.
    After(Duration),
}

impl Tx {
    /// Takes a token out of a bucket.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn take_token(&mut self, bucket: Bucket, now: Timestamp) -> Result<Taken> {
        let (policy, user) = (bucket.policy.name(), bucket.user);
        let now = now.timestamp_micros();
        let interval = i64::try_from(bucket.interval.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX).max(1);
        let empty = now.saturating_add(interval.saturating_mul(bucket.burst.into()));
        let taken: Option<i64> = on_tx!(self, |conn| {
            let statement = sqlx::query_scalar(TAKE).bind(policy).bind(user).bind(now).bind(interval);
            statement.bind(empty).bind(empty.saturating_add(CLOCK_SKEW)).fetch_optional(conn).await
        })?;
        if let Some(full_at) = taken {
            return Ok(Taken::Left(u32::try_from((empty - full_at) / interval).unwrap_or(0)));
        }
        let full_at: Option<i64> =
            on_tx!(self, |conn| sqlx::query_scalar(FULL_AT).bind(policy).bind(user).fetch_optional(conn).await)?;
        // The row can only be gone because its bucket was full.
        let wait = full_at.map_or(0, |full_at| full_at + interval - empty);
        Ok(Taken::After(Duration::from_micros(u64::try_from(wait).unwrap_or(0))))
    }
}

impl Store {
    /// Deletes the buckets that are full; answers how many.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn prune_buckets(&self, now: Timestamp) -> Result<u64> {
        let now = now.timestamp_micros();
        Ok(on_pool!(self, |pool| sqlx::query(PRUNE).bind(now).execute(pool).await?.rows_affected()))
    }
}
