//! Clicks: taken from the redirect without making it wait, and written to the database in batches.
//!
//! Promises: accepted = stored + lost for every process that exits by itself; a failed batch is kept and retried; the
//! queue is bounded, and what does not fit is counted as lost. Leaves out: what counts as a click, which is decided
//! where the redirect is answered.

mod recorder;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::domain::{UrlId, clock::Timestamp};

pub use self::{recorder::ClickRecorder, writer::ClickWriter};

/// One click on its way to the database.
#[derive(Debug, Clone, Copy)]
pub struct Click {
    /// The link that was followed.
    pub url_id: UrlId,
    /// When, UTC.
    pub at: Timestamp,
}

/// How clicks are gathered.
#[derive(Debug, Clone, Copy)]
pub struct ClickSettings {
    /// A batch is written when it has so many clicks,
    pub batch_size: usize,
    /// or when its first click has waited so long.
    pub flush_after: Duration,
    /// Clicks that the queue holds at most.
    pub queue_length: usize,
}

impl ClickSettings {
    /// Bytes that one queued click takes, rounded up for the queue's own bookkeeping.
    const BYTES_PER_CLICK: u64 = 64;

    /// Settings for a queue of at most `queue_bytes`.
    pub fn new(batch_size: usize, flush_after: Duration, queue_bytes: u64) -> Self {
        let queue_length = usize::try_from(queue_bytes / Self::BYTES_PER_CLICK).unwrap_or(usize::MAX);
        // What the channel's semaphore can count at most.
        let queue_length = queue_length.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        Self { batch_size: batch_size.max(1), flush_after, queue_length }
    }
}

/// The ledger of this process: how many clicks came in and what became of them.
#[derive(Debug, Default)]
pub struct Ledger {
    accepted: AtomicU64,
    stored: AtomicU64,
    lost: AtomicU64,
}

impl Ledger {
    /// Clicks taken from redirects.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Clicks in the database.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Clicks given up: the queue was full, or the process had to end first.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn add(counter: &AtomicU64, clicks: usize) {
        counter.fetch_add(clicks as u64, Ordering::Relaxed);
    }
}

/// Makes the two ends of the queue: one for the redirects, one for the task that writes.
pub fn channel(settings: ClickSettings) -> (ClickRecorder, ClickWriter) {
    let (sender, inbox) = tokio::sync::mpsc::channel(settings.queue_length);
    let ledger = Arc::new(Ledger::default());
    (ClickRecorder::new(sender, Arc::clone(&ledger)), ClickWriter::new(settings, inbox, ledger))
}
