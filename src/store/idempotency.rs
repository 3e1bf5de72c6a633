//! Answers kept for clients that may send the same POST twice.
//!
//! A key's answer is written in the transaction of the change: either both are kept or neither.

use sha2::{Digest as _, Sha256};

use crate::{
    db::{Lock, Result, Store, Tx, on_pool, on_tx},
    domain::clock::Timestamp,
};

const BY_KEY: &str = r"
    SELECT fingerprint, status, body
    FROM idempotency_keys
    WHERE key = $1 AND created_at > $2
";
const RECORD: &str = r"
    INSERT INTO idempotency_keys (key, fingerprint, status, body, created_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (key) DO UPDATE
    SET fingerprint = excluded.fingerprint,
        status = excluded.status,
        body = excluded.body,
        created_at = excluded.created_at
";
const PRUNE: &str = "DELETE FROM idempotency_keys WHERE created_at <= $1";

pub(crate) const STATEMENTS: &[&str] = &[BY_KEY, RECORD, PRUNE];

/// What was answered to the first request of a key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RecordedAnswer {
    /// Tells the request apart from others: a digest of its method, path and body.
    pub fingerprint: String,
    /// HTTP status.
    pub status: i32,
    /// The body, JSON.
    pub body: String,
}

impl Store {
    /// Deletes the answers given at `until` or before; answers how many.
    pub async fn prune_answers(&self, until: Timestamp) -> Result<u64> {
        Ok(on_pool!(self, |pool| sqlx::query(PRUNE).bind(until).execute(pool).await?.rows_affected()))
    }
}

impl Tx {
    /// Takes the key for this transaction, without waiting; answers `false` if another replica works on it.
    pub async fn try_lock_key(&mut self, key: &str) -> Result<bool> {
        self.try_lock(Lock::IdempotencyKey(lock_number(key))).await
    }

    /// The answer recorded for this key after the moment `since`.
    pub async fn recorded_answer(&mut self, key: &str, since: Timestamp) -> Result<Option<RecordedAnswer>> {
        Ok(on_tx!(self, |conn| sqlx::query_as(BY_KEY).bind(key).bind(since).fetch_optional(conn).await)?)
    }

    /// Records the answer for this key, in place of one that has expired.
    pub async fn record_answer(&mut self, key: &str, answer: &RecordedAnswer, now: Timestamp) -> Result<()> {
        on_tx!(self, |conn| {
            let statement = sqlx::query(RECORD).bind(key).bind(&answer.fingerprint).bind(answer.status);
            statement.bind(&answer.body).bind(now).execute(conn).await?;
        });
        Ok(())
    }
}

/// The number of a key's advisory lock: two keys share one only by a chance of 1 in 2^64, and then one of them waits.
fn lock_number(key: &str) -> i64 {
    let digest = Sha256::digest(format!("idempotency-key:{key}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
