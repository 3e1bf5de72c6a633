//! Batches of clicks in the database, each written once however often it is tried.

use super::{Result, Store, Tx, on_pool, on_tx};
use crate::domain::{NewEvent, clock::Timestamp};

const RECEIPT: &str = "INSERT INTO click_batches (id, stored_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
const PRUNE: &str = "DELETE FROM click_batches WHERE stored_at <= $1";

pub(super) const STATEMENTS: &[&str] = &[RECEIPT, PRUNE];

impl Store {
    /// Stores a batch of clicks under its own id. A batch that is in already is not stored again, so that it can be
    /// tried again after a failure that leaves open whether it was stored.
    ///
    /// # Errors
    /// Where the database fails; the batch is then to be tried again under the same id.
    pub async fn store_clicks(&self, batch_id: &str, events: &[NewEvent], now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        if tx.write_receipt(batch_id, now).await? {
            tx.insert_events(events).await?;
        }
        // Clicks change no link: there is nothing to announce.
        let _ = tx.commit().await?;
        Ok(())
    }

    /// Forgets the receipts written at `until` or before; answers how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn prune_receipts(&self, until: Timestamp) -> Result<u64> {
        Ok(on_pool!(self, |pool| sqlx::query(PRUNE).bind(until).execute(pool).await?.rows_affected()))
    }
}

impl Tx {
    /// Writes a batch's receipt; answers false where it was there already.
    async fn write_receipt(&mut self, batch_id: &str, now: Timestamp) -> Result<bool> {
        Ok(on_tx!(self, |conn| sqlx::query(RECEIPT).bind(batch_id).bind(now).execute(conn).await?.rows_affected() > 0))
    }
}
