//! Pending rows: what batches of clicks add to the rollups, one row a batch, folded into the rollups together. Of a
//! link that thirty batches count, each row is then changed once instead of thirty times.
//!
//! Promises: a pending row is inserted in the transaction that stores its events, and deleted in the one that adds it
//! to the rollups, so that each click counts once; concurrent folds wait for each other, so that afterwards no row is
//! pending that was before. Every reader of statistics folds first and depends on no background task. SQLite has no
//! pending rows.

use std::time::Duration;

use super::rollups::Sums;
use crate::{
    db::{Result, Store, Tx, TxInner},
    domain::clock::Timestamp,
};

const INSERT: &str = "INSERT INTO click_pending (stored_at, size, sums) VALUES ($1, $2, $3)";
const OLDEST: &str = "SELECT min(stored_at) FROM click_pending";
const LAST: &str = "SELECT max(id) FROM click_pending";
const SOME: &str = "SELECT EXISTS (SELECT 1 FROM click_pending)";
/// Concurrent folds take the rows in one order, and the second finds those gone that the first one folded.
const TAKE: &str = "SELECT id, size FROM click_pending WHERE id <= $1 ORDER BY id LIMIT $2 FOR UPDATE";
const READ: &str = "SELECT sums FROM click_pending WHERE id = $1";
const DELETE: &str = "DELETE FROM click_pending WHERE id = ANY($1)";
/// Applies to the transaction alone.
const LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, true)";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, OLDEST, LAST, SOME, TAKE, READ, DELETE, LOCK_TIMEOUT];

/// Batches that one transaction folds at most, and bytes of their sums beside the first one's: in memory they take
/// some times as much.
const MAX_BATCHES: usize = 64;
const MAX_BYTES: i64 = 4 << 20;

impl Store {
    /// Folds all pending rows if one of them was stored at `due` or before; answers how many it folded.
    ///
    /// # Errors
    /// As [`Store::fold_clicks`].
    pub async fn fold_due_clicks(&self, due: Timestamp, lock_timeout: Duration) -> Result<u64> {
        let Self::Postgres { pool, .. } = self else { return Ok(0) };
        let oldest: Option<Timestamp> = sqlx::query_scalar(OLDEST).fetch_one(&pool.current()).await?;
        if oldest.is_some_and(|oldest| oldest <= due) { self.fold_clicks(lock_timeout).await } else { Ok(0) }
    }

    /// Folds the rows that are pending now; answers how many. It takes as long as changing each row of their links:
    /// tens of milliseconds for thousands.
    ///
    /// # Errors
    /// [`crate::db::StoreError::Unavailable`] if an import holds the rollups longer than `lock_timeout`: the rows
    /// stay pending.
    pub async fn fold_clicks(&self, lock_timeout: Duration) -> Result<u64> {
        let Self::Postgres { pool, .. } = self else { return Ok(0) };
        // Rows that come in during the fold are left to the next one, so that it ends under any load.
        let last: Option<i64> = sqlx::query_scalar(LAST).fetch_one(&pool.current()).await?;
        let Some(last) = last else { return Ok(0) };
        let mut folded = 0;
        loop {
            let mut tx = self.begin().await?;
            let (taken, is_last) = tx.fold(last, lock_timeout).await?;
            tx.commit().await?;
            folded += taken;
            if is_last {
                return Ok(folded);
            }
        }
    }
}

impl Tx {
    /// Adds a batch to the rollups: on PostgreSQL as a pending row.
    pub(super) async fn add_batch(&mut self, sums: &Sums<'_>, now: Timestamp) -> Result<()> {
        let TxInner::Postgres(conn, _) = &mut self.inner else { return self.roll_up(sums).await };
        let sums = sums.to_json().map_err(|error| sqlx::Error::Encode(error.into()))?;
        let size = i64::try_from(sums.len()).unwrap_or(i64::MAX);
        sqlx::query(INSERT).bind(now).bind(size).bind(sums).execute(conn).await?;
        Ok(())
    }

    /// Whether rows are pending.
    pub(super) async fn has_pending(&mut self) -> Result<bool> {
        let TxInner::Postgres(conn, _) = &mut self.inner else { return Ok(false) };
        Ok(sqlx::query_scalar(SOME).fetch_one(conn).await?)
    }

    /// Folds as many of the rows up to the id `last` as fit one transaction; answers how many, and whether these were
    /// all.
    async fn fold(&mut self, last: i64, lock_timeout: Duration) -> Result<(u64, bool)> {
        let TxInner::Postgres(conn, _) = &mut self.inner else { return Ok((0, true)) };
        sqlx::query(LOCK_TIMEOUT).bind(format!("{}ms", lock_timeout.as_millis())).execute(&mut *conn).await?;
        let pending: Vec<(i64, i64)> =
            sqlx::query_as(TAKE).bind(last).bind(MAX_BATCHES as i64).fetch_all(&mut *conn).await?;
        let taken = fitting(&pending);
        if taken.is_empty() {
            return Ok((0, true));
        }
        let mut sums = Sums::default();
        // One after another: the text of each is as large as its batch.
        for id in &taken {
            let text: String = sqlx::query_scalar(READ).bind(id).fetch_one(&mut *conn).await?;
            sums.add_json(&text).map_err(|error| sqlx::Error::Decode(error.into()))?;
        }
        sqlx::query(DELETE).bind(&taken).execute(&mut *conn).await?;
        self.roll_up(&sums).await?;
        let is_last = taken.len() == pending.len() && pending.len() < MAX_BATCHES;
        Ok((taken.len() as u64, is_last))
    }
}

/// The first batches, given by id and bytes, that fit one transaction: at least one, if there is any.
fn fitting(pending: &[(i64, i64)]) -> Vec<i64> {
    let mut bytes = 0;
    let fits = pending.iter().take_while(|(_, size)| {
        let is_first = bytes == 0;
        bytes += size;
        is_first || bytes <= MAX_BYTES
    });
    fits.map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_folds_what_fits_and_at_least_one_batch() {
        assert_eq!(fitting(&[]), [0; 0]);
        assert_eq!(fitting(&[(3, MAX_BYTES * 2), (4, 1)]), [3]);
        assert_eq!(fitting(&[(3, 10), (7, MAX_BYTES - 10), (8, 1)]), [3, 7]);
    }
}
