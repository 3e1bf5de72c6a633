//! Answers kept for clients that may send the same POST twice.
//!
//! The answer to a success is written in the transaction of the change: either both are kept or neither. The first
//! answer recorded for a key stays: a second one is refused by the key, and its transaction undone.

use sha2::{Digest as _, Sha256};

use crate::{
    db::{Lock, Result, Store, Tx, dialect, on_pool, on_tx},
    domain::clock::Timestamp,
};

const RECORD: &str = r"
    INSERT INTO idempotency_keys (key, fingerprint, status, body, created_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (key) DO UPDATE
    SET fingerprint = excluded.fingerprint,
        status = excluded.status,
        body = excluded.body,
        created_at = excluded.created_at
    WHERE idempotency_keys.created_at <= $6
";
const PRUNE: &str = "DELETE FROM idempotency_keys WHERE created_at <= $1";

pub(crate) const STATEMENTS: &[&str] = &[RECORD, PRUNE];

/// The answer to the first request of a key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RecordedAnswer {
    /// Tells the request apart from others: a digest of its method, path and body.
    pub fingerprint: String,
    /// HTTP status.
    pub status: i32,
    /// The body, JSON.
    pub body: String,
}

/// What a transaction finds of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Another transaction works on it.
    Busy,
    /// It is this transaction's until it ends.
    Free,
    /// It was answered.
    Answered(RecordedAnswer),
}

#[derive(Debug, sqlx::FromRow)]
struct ClaimRow {
    is_free: bool,
    fingerprint: Option<String>,
    status: Option<i32>,
    body: Option<String>,
}

/// Binds the values of [`RECORD`].
macro_rules! record {
    ($key:expr, $answer:expr, $now:expr, $expired:expr) => {
        sqlx::query(RECORD)
            .bind($key)
            .bind(&$answer.fingerprint)
            .bind($answer.status)
            .bind(&$answer.body)
            .bind($now)
            .bind($expired)
    };
}

/// Binds the values of [`dialect::CLAIM_KEY`].
macro_rules! claim {
    ($sql:expr, $key:expr, $expired:expr) => {
        sqlx::query_as($sql).bind(Lock::IdempotencyKey(lock_number($key)).number()).bind($key).bind($expired)
    };
}

impl From<ClaimRow> for Claim {
    fn from(row: ClaimRow) -> Self {
        match row {
            ClaimRow { fingerprint: Some(fingerprint), status: Some(status), body: Some(body), .. } => {
                Self::Answered(RecordedAnswer { fingerprint, status, body })
            }
            ClaimRow { is_free: true, .. } => Self::Free,
            _ => Self::Busy,
        }
    }
}

impl Store {
    /// Reads the answer that was recorded for the key after `expired`, and whether a transaction has claimed it. For work
    /// that is one statement: nothing is claimed, and the key refuses the answer of a second one.
    pub async fn find_answer(&self, key: &str, expired: Timestamp) -> Result<Claim> {
        let sql = dialect::CLAIM_KEY.on(self.is_embedded());
        let found: ClaimRow = on_pool!(self, |pool| claim!(sql, key, expired).fetch_one(pool).await?);
        Ok(found.into())
    }

    /// Records the answer to a request that changed nothing; answers `false` if the key was answered since.
    pub async fn record_answer(
        &self,
        key: &str,
        answer: &RecordedAnswer,
        now: Timestamp,
        expired: Timestamp,
    ) -> Result<bool> {
        let recorded = on_pool!(self, |pool| record!(key, answer, now, expired).execute(pool).await?.rows_affected());
        Ok(recorded > 0)
    }

    /// Deletes the answers given at `until` or before; answers how many.
    pub async fn prune_answers(&self, until: Timestamp) -> Result<u64> {
        Ok(on_pool!(self, |pool| sqlx::query(PRUNE).bind(until).execute(pool).await?.rows_affected()))
    }
}

impl Tx {
    /// Claims the key for this transaction, without waiting, unless an answer was recorded for it after `expired`.
    pub async fn claim_key(&mut self, key: &str, expired: Timestamp) -> Result<Claim> {
        let sql = dialect::CLAIM_KEY.on(self.is_embedded());
        let found: ClaimRow = on_tx!(self, |conn| claim!(sql, key, expired).fetch_one(conn).await?);
        Ok(found.into())
    }

    /// Records the answer for this key; answers `false` if it was answered since, and this transaction must not be
    /// committed.
    ///
    /// The claim looks and locks in one statement, which may miss an answer that is committed between the two.
    pub async fn record_answer(
        &mut self,
        key: &str,
        answer: &RecordedAnswer,
        now: Timestamp,
        expired: Timestamp,
    ) -> Result<bool> {
        let recorded = on_tx!(self, |conn| record!(key, answer, now, expired).execute(conn).await?.rows_affected());
        Ok(recorded > 0)
    }
}

/// The number of a key's advisory lock: two keys share one only by a chance of 1 in 2^64, and then one of them waits.
fn lock_number(key: &str) -> i64 {
    let digest = Sha256::digest(format!("idempotency-key:{key}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
