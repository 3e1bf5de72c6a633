//! What large batches of clicks add to the rollups, left as one row a batch and folded in together: of the rows of a link that
//! thirty batches add to, each is changed once instead of thirty times.
//!
//! Promises: what a batch adds is left in the transaction that stores its events, and goes in the one that adds it to the rollups,
//! so that each click is added once whoever breaks off; whoever folds waits for others who do, so that afterwards nothing is
//! pending that was before. Small batches, and all of SQLite's, leave nothing. Leaves out: when to fold.

use super::rollups::Sums;
use crate::{
    db::{Result, Store, Tx, TxInner, on_tx},
    domain::clock::Timestamp,
};

const LEAVE: &str = "INSERT INTO click_pending (stored_at, size, sums) VALUES ($1, $2, $3)";
const OLDEST: &str = "SELECT min(stored_at) FROM click_pending";
const SOME: &str = "SELECT EXISTS (SELECT 1 FROM click_pending)";
/// Two that fold take the rows in one order, and the second finds gone what the first one folded.
const TAKE: &str = "SELECT id, size FROM click_pending ORDER BY id LIMIT $1 FOR UPDATE";
const READ: &str = "SELECT sums FROM click_pending WHERE id = $1";
const DROP: &str = "DELETE FROM click_pending WHERE id = ANY($1)";
/// An import of rollups may hold them for minutes: clicks are stored meanwhile, and folded afterwards.
const BE_PATIENT: &str = "SET LOCAL lock_timeout = '2s'";

pub(crate) const STATEMENTS: &[&str] = &[LEAVE, OLDEST, SOME, TAKE, READ, DROP];

/// Clicks of a batch beyond which it leaves its sums: those of smaller ones are few rows, which need not wait.
pub(super) const LARGE_BATCH: usize = 100;
/// Batches that one transaction folds at most, and bytes of their sums beside the first one's: in memory they take some times as
/// much.
const AT_ONCE: i64 = 64;
const BYTES_AT_ONCE: i64 = 4 << 20;

impl Store {
    /// Folds what batches left where some of it was left at `due` or before; answers how many batches that were.
    ///
    /// # Errors
    /// As [`Store::fold_clicks`].
    pub async fn fold_due_clicks(&self, due: Timestamp) -> Result<u64> {
        let Self::Postgres { pool, .. } = self else { return Ok(0) };
        let oldest: Option<Timestamp> = sqlx::query_scalar(OLDEST).fetch_one(&pool.current()).await?;
        if oldest.is_some_and(|oldest| oldest <= due) { self.fold_clicks().await } else { Ok(0) }
    }

    /// Folds what batches left; answers how many batches that were. Takes as long as it takes to change each row of their links:
    /// tens of milliseconds for thousands.
    ///
    /// # Errors
    /// Where the database fails, or others hold the rollups: what was left stays, and can be folded later.
    pub async fn fold_clicks(&self) -> Result<u64> {
        let Self::Postgres { pool, .. } = self else { return Ok(0) };
        let mut folded = 0;
        while sqlx::query_scalar(SOME).fetch_one(&pool.current()).await? {
            let mut tx = self.begin().await?;
            tx.run(BE_PATIENT).await?;
            folded += tx.fold().await?;
            tx.commit().await?;
        }
        Ok(folded)
    }
}

impl Tx {
    /// Adds a batch to the rollups, or leaves what it adds.
    pub(super) async fn add_or_leave(&mut self, sums: &Sums<'_>, clicks: usize, now: Timestamp) -> Result<()> {
        if clicks <= LARGE_BATCH || self.is_embedded() {
            return self.roll_up(sums).await;
        }
        let sums = sums.to_json().map_err(|error| sqlx::Error::Encode(error.into()))?;
        let size = i64::try_from(sums.len()).unwrap_or(i64::MAX);
        on_tx!(self, |conn| {
            sqlx::query(LEAVE).bind(now).bind(size).bind(sums).execute(conn).await?;
        });
        Ok(())
    }

    /// Whether batches have left something.
    pub(super) async fn has_pending(&mut self) -> Result<bool> {
        Ok(on_tx!(self, |conn| sqlx::query_scalar(SOME).fetch_one(conn).await)?)
    }

    /// Folds as many batches as fit one transaction.
    async fn fold(&mut self) -> Result<u64> {
        let TxInner::Postgres(conn, _) = &mut self.inner else { return Ok(0) };
        let left: Vec<(i64, i64)> = sqlx::query_as(TAKE).bind(AT_ONCE).fetch_all(&mut *conn).await?;
        let taken = fitting(&left);
        let mut sums = Sums::default();
        // One after another: the text of each is as large as its batch.
        for id in &taken {
            let text: String = sqlx::query_scalar(READ).bind(id).fetch_one(&mut *conn).await?;
            sums.add_json(&text).map_err(|error| sqlx::Error::Decode(error.into()))?;
        }
        sqlx::query(DROP).bind(&taken).execute(&mut *conn).await?;
        self.roll_up(&sums).await?;
        Ok(taken.len() as u64)
    }
}

/// The first batches, given by id and bytes, that fit one transaction: one at least, where there is any.
fn fitting(left: &[(i64, i64)]) -> Vec<i64> {
    let mut bytes = 0;
    let fits = left.iter().take_while(|(_, size)| {
        let is_first = bytes == 0;
        bytes += size;
        is_first || bytes <= BYTES_AT_ONCE
    });
    fits.map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_folds_what_fits_and_one_batch_at_least() {
        assert_eq!(fitting(&[]), [0; 0]);
        assert_eq!(fitting(&[(3, BYTES_AT_ONCE * 2), (4, 1)]), [3]);
        assert_eq!(fitting(&[(3, 10), (7, BYTES_AT_ONCE - 10), (8, 1)]), [3, 7]);
    }
}
