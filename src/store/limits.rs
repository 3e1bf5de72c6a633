//! Token buckets of users: a row each, and one statement that takes a token.
//!
//! A bucket is kept as the moment at which it is full again (GCRA). A token that is taken moves this moment on by the
//! time that brings one; a bucket is empty when it needs its whole burst. Moments are microseconds since 1970.

use std::time::Duration;

use crate::{
    db::{Result, Store, Tx, dialect::TAKE_TOKEN, on_pool, on_tx},
    domain::{Policy, UserId, clock::Timestamp},
};

const FULL_AT: &str = "SELECT full_at FROM rate_limits WHERE policy = $1 AND user_id = $2";
const PRUNE: &str = "DELETE FROM rate_limits WHERE full_at < $1";

pub(crate) const STATEMENTS: &[&str] = &[TAKE_TOKEN, FULL_AT, PRUNE];

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

/// The values of [`TAKE_TOKEN`]; without a policy it takes none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TokenValues {
    pub(crate) policy: Option<&'static str>,
    pub(crate) user: Option<UserId>,
    pub(crate) now: i64,
    pub(crate) interval: i64,
    pub(crate) empty: i64,
    pub(crate) latest: i64,
}

impl Bucket {
    /// The values of [`TAKE_TOKEN`].
    pub(crate) fn values(&self, now: Timestamp) -> TokenValues {
        let now = now.timestamp_micros();
        let interval = i64::try_from(self.interval.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX).max(1);
        let empty = now.saturating_add(interval.saturating_mul(self.burst.into()));
        let latest = empty.saturating_add(CLOCK_SKEW);
        TokenValues { policy: Some(self.policy.name()), user: Some(self.user), now, interval, empty, latest }
    }
}

impl TokenValues {
    /// What a bucket has left that is full at `full_at`.
    pub(crate) fn left(&self, full_at: i64) -> u32 {
        u32::try_from((self.empty - full_at) / self.interval.max(1)).unwrap_or(0)
    }

    /// How long it takes until a bucket that is full at `full_at` has a token. Without a row the bucket is full.
    pub(crate) fn wait(&self, full_at: Option<i64>) -> Duration {
        let wait = full_at.map_or(0, |full_at| full_at + self.interval - self.empty);
        Duration::from_micros(u64::try_from(wait).unwrap_or(0))
    }
}

impl Tx {
    /// Takes a token out of a bucket.
    pub async fn take_token(&mut self, bucket: Bucket, now: Timestamp) -> Result<Taken> {
        let values = bucket.values(now);
        let TokenValues { policy, user, now, interval, empty, latest } = values;
        let taken: Option<i64> = on_tx!(self, |conn| {
            let statement = sqlx::query_scalar(TAKE_TOKEN).bind(policy).bind(user).bind(now).bind(interval);
            statement.bind(empty).bind(latest).fetch_optional(conn).await
        })?;
        if let Some(full_at) = taken {
            return Ok(Taken::Left(values.left(full_at)));
        }
        let full_at: Option<i64> =
            on_tx!(self, |conn| sqlx::query_scalar(FULL_AT).bind(policy).bind(user).fetch_optional(conn).await)?;
        Ok(Taken::After(values.wait(full_at)))
    }
}

impl Store {
    /// When the bucket is full that had no token.
    pub(crate) async fn bucket_full_at(&self, bucket: Bucket) -> Result<Option<i64>> {
        let (policy, user) = (bucket.policy.name(), bucket.user);
        Ok(on_pool!(self, |pool| sqlx::query_scalar(FULL_AT).bind(policy).bind(user).fetch_optional(pool).await)?)
    }

    /// Deletes the buckets that are full; answers how many.
    pub async fn prune_buckets(&self, now: Timestamp) -> Result<u64> {
        let now = now.timestamp_micros();
        Ok(on_pool!(self, |pool| sqlx::query(PRUNE).bind(now).execute(pool).await?.rows_affected()))
    }
}
