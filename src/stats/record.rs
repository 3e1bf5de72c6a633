//! Batches of clicks in the database, each written once however often it is tried: the receipt, the events, and what
//! they add to the rollups, in one transaction. PostgreSQL takes large batches by COPY.

mod copy;

use self::copy::copy_clicks;
use super::rollups::{Counted, Sums};
use crate::{
    db::{
        Result, Store, Tx, TxInner,
        batch_rows::{Column, over_rows},
        dialect::Sql,
        on_pool, on_tx,
    },
    domain::{Details, clock::Timestamp},
};

const RECEIPT: &str = r"
    INSERT INTO click_batches (id, stored_at)
    VALUES ($1, $2)
    ON CONFLICT (id) DO NOTHING";
const PRUNE: &str = "DELETE FROM click_batches WHERE stored_at <= $1";
const ADD_SALT: &str = r"
    INSERT INTO visitor_salts (day, salt)
    VALUES ($1, $2)
    ON CONFLICT (day) DO NOTHING";
const SALT: &str = "SELECT salt FROM visitor_salts WHERE day = $1";

pub(crate) const STATEMENTS: &[&str] = &[RECEIPT, PRUNE, ADD_SALT, SALT];

const INSERT: Sql = over_rows!(
    r"
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT b.url_id, NULL, 'click', b.at, b.details",
    (1 "bigint" "url_id", 2 "timestamptz" "at", 3 "text" "details"),
    ""
);

pub(crate) const ROW_STATEMENTS: &[Sql] = &[INSERT];

/// Clicks beyond which a batch is sent by COPY and stored link by link.
const LARGE_BATCH: usize = 100;

/// Bytes of details that most clicks have less than.
const DETAILS: usize = 96;

/// A click about to be stored: what its event says, and how it counts.
#[derive(Debug, Clone)]
pub struct NewClick<'a> {
    /// How it counts.
    pub counted: Counted<'a>,
    /// The event's details.
    pub details: Details,
}

/// Clicks to be stored together, column by column: this takes a third of the memory that rows would.
#[derive(Debug, Default)]
pub struct ClickBatch<'a> {
    urls: Vec<i64>,
    times: Vec<Timestamp>,
    /// All of them in one text: thousands of small ones would be as many allocations.
    details: String,
    /// The end of each click's details.
    ends: Vec<usize>,
    sums: Sums<'a>,
}

impl<'a> ClickBatch<'a> {
    /// With room for so many clicks.
    pub fn with_capacity(clicks: usize) -> Self {
        Self {
            urls: Vec::with_capacity(clicks),
            times: Vec::with_capacity(clicks),
            details: String::with_capacity(clicks * DETAILS),
            ends: Vec::with_capacity(clicks),
            sums: Sums::default(),
        }
    }

    /// Adds a click. This takes a microsecond: a caller that adds thousands yields in between.
    pub fn add(&mut self, click: NewClick<'a>) {
        self.urls.push(click.counted.url_id.0);
        self.times.push(click.counted.at);
        self.details.push_str(click.details.as_str());
        self.ends.push(self.details.len());
        self.sums.add(click.counted);
    }

    /// The details of the click at this place.
    fn details(&self, nth: usize) -> &str {
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.details[start..self.ends[nth]]
    }

    /// The order in which the events are stored: large batches by link, whose places in the index by link are
    /// neighbours then. A link's clicks stay in the order of time.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.urls.len()).collect();
        if order.len() > LARGE_BATCH {
            order.sort_by_key(|nth| self.urls[*nth]);
        }
        order
    }
}

impl<'a, I: IntoIterator<Item = NewClick<'a>>> From<I> for ClickBatch<'a> {
    fn from(clicks: I) -> Self {
        let mut batch = Self::default();
        clicks.into_iter().for_each(|click| batch.add(click));
        batch
    }
}

impl Store {
    /// Stores a batch of clicks under its own id. A batch that is in already is not stored again, so that it can be
    /// tried again after a failure that leaves open whether it was stored.
    ///
    /// # Errors
    /// After an error the batch is to be tried again under the same id.
    pub async fn store_clicks(&self, batch_id: &str, batch: &ClickBatch<'_>, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        if tx.write_receipt(batch_id, now).await? {
            tx.insert_clicks(batch).await?;
            tx.add_batch(&batch.sums, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The salt under which the visitors of a day (in days since 1970-01-01, UTC) are hashed: `candidate`, unless
    /// another replica was first. Stored in hexadecimal digits.
    pub async fn visitor_salt(&self, day: i64, candidate: &[u8; 32]) -> Result<[u8; 32]> {
        let mut tx = self.begin().await?;
        let candidate = hex::encode(candidate);
        let text: String = on_tx!(tx, |conn| {
            sqlx::query(ADD_SALT).bind(day).bind(&candidate).execute(&mut *conn).await?;
            sqlx::query_scalar(SALT).bind(day).fetch_one(conn).await?
        });
        tx.commit().await?;
        let mut salt = [0; 32];
        hex::decode_to_slice(text, &mut salt).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(salt)
    }

    /// Forgets the receipts written at `until` or before; answers how many.
    pub async fn prune_receipts(&self, until: Timestamp) -> Result<u64> {
        Ok(on_pool!(self, |pool| sqlx::query(PRUNE).bind(until).execute(pool).await?.rows_affected()))
    }
}

impl Tx {
    /// Writes a batch's receipt; answers false if it was there already.
    async fn write_receipt(&mut self, batch_id: &str, now: Timestamp) -> Result<bool> {
        Ok(on_tx!(self, |conn| sqlx::query(RECEIPT).bind(batch_id).bind(now).execute(conn).await?.rows_affected() > 0))
    }

    async fn insert_clicks(&mut self, batch: &ClickBatch<'_>) -> Result<()> {
        let order = batch.order();
        if let TxInner::Postgres(tx, _) = &mut self.inner
            && order.len() > LARGE_BATCH
        {
            return copy_clicks(tx, batch, &order).await;
        }
        let columns = vec![
            Column::Numbers(order.iter().map(|nth| batch.urls[*nth]).collect()),
            Column::Times(order.iter().map(|nth| batch.times[*nth]).collect()),
            Column::Texts(order.iter().map(|nth| batch.details(*nth)).collect()),
        ];
        self.change_rows(INSERT, columns).await?;
        Ok(())
    }
}
