//! Every advisory lock of PostgreSQL that buoy takes, in one list, so that no two purposes share a number.

use super::{Result, Tx, dialect, on_tx};

/// What a transaction locks until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Retention: one process deletes expired events. Imports of events share it.
    Retention,
    /// Reconciliation: one process repairs the rollups.
    Reconcile,
    /// Sequences that are behind: one process moves them on.
    Sequences,
    /// A hash of an `Idempotency-Key`: two keys share one only by a chance of 1 in 2^64, and then one of them waits.
    IdempotencyKey(i64),
}

impl Lock {
    /// The number of the lock; the fixed ones are ASCII words.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Retention => i64::from_be_bytes(*b"buoyswep"),
            Self::Reconcile => i64::from_be_bytes(*b"buoyreco"),
            Self::Sequences => i64::from_be_bytes(*b"buoyseqs"),
            Self::IdempotencyKey(hash) => hash,
        }
    }
}

impl Tx {
    /// Takes `lock` until the transaction ends, without waiting; answers `false` if another transaction holds it.
    pub(crate) async fn try_lock(&mut self, lock: Lock) -> Result<bool> {
        let sql = dialect::TRY_LOCK_KEY.on(self.is_embedded());
        Ok(on_tx!(self, |conn| sqlx::query_scalar(sql).bind(lock.number()).fetch_one(conn).await)?)
    }

    /// Waits until no transaction holds `lock` exclusively, and shares it until this one ends.
    pub(crate) async fn share_lock(&mut self, lock: Lock) -> Result<()> {
        let sql = dialect::SHARE_KEY.on(self.is_embedded());
        on_tx!(self, |conn| {
            sqlx::query(sql).bind(lock.number()).execute(conn).await?;
        });
        Ok(())
    }
}
