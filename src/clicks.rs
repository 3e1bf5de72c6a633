//! Clicks: taken from the redirect without making it wait, and written to the database in batches.
//!
//! Promises: accepted = stored + lost for every process that exits by itself; a failed batch is kept and retried; the
//! queue is bounded in bytes, and what does not fit is counted as lost; a click that cannot be stored holds up no other.
//! Leaves out: what counts as a click, which is decided where the redirect is answered.

mod destination;
mod ledger;
mod recorder;
mod writer;

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{UrlId, UserId, clock::Timestamp},
    visitors::Visitor,
};

pub use self::{
    ledger::{Ledger, Loss},
    recorder::ClickRecorder,
    writer::ClickWriter,
};

/// One click on its way to the database.
#[derive(Debug, Clone)]
pub struct Click {
    /// The link that was followed.
    pub url_id: UrlId,
    /// Its owner.
    pub owner: UserId,
    /// When, UTC.
    pub at: Timestamp,
    /// Who followed it.
    pub visitor: Visitor,
}

impl Click {
    /// Bytes that the click takes beside itself.
    fn heap_bytes(&self) -> usize {
        self.visitor.heap_bytes()
    }
}

/// When a redirect is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// At once; what waits in memory is lost where the process is killed.
    Buffered,
    /// When its click is in a committed batch, but no later than this.
    Committed(Duration),
}

/// How clicks are gathered.
#[derive(Debug, Clone, Copy)]
pub struct ClickSettings {
    /// A batch is written when it has so many clicks,
    pub batch_size: usize,
    /// or when its first click has waited so long;
    pub flush_after: Duration,
    /// so long, where more than a hundred came in that time.
    pub flush_busy_after: Duration,
    /// Bytes of memory that waiting clicks take at most.
    pub queue_bytes: usize,
    /// What a redirect waits for.
    pub durability: Durability,
}

/// Clicks of one window beyond which it is made longer: what a click costs the database falls by half with ten times the clicks
/// in a batch, since those of one link share the rows that they add to.
const BUSY: usize = 100;

impl ClickSettings {
    /// How long a batch of so many clicks waits for more. Where redirects wait for their batch, it does not wait at all: while one
    /// is written the next gathers by itself.
    fn patience(&self, clicks: usize) -> Duration {
        match self.durability {
            Durability::Buffered if clicks > BUSY => self.flush_busy_after.max(self.flush_after),
            Durability::Buffered => self.flush_after,
            Durability::Committed(_) => Duration::ZERO,
        }
    }
}

/// Makes the two ends of the queue: one for the redirects, one for the task that writes.
pub fn channel(settings: ClickSettings) -> (ClickRecorder, ClickWriter) {
    let (sender, inbox) = tokio::sync::mpsc::unbounded_channel();
    let ledger = Arc::new(Ledger::default());
    let recorder = ClickRecorder::new(settings, sender, Arc::clone(&ledger));
    let writer = ClickWriter::new(settings, inbox, recorder.queue_state(), ledger);
    (recorder, writer)
}
