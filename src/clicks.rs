//! Clicks: taken from the redirect without making it wait, and written to the database in batches.
//!
//! Promises: accepted = stored + lost for every process that exits by itself; a failed batch is kept and retried; the
//! queue is bounded in bytes, and what does not fit is counted as lost; a click that cannot be stored holds up no
//! other. Leaves out: what counts as a click, which the redirect's handler decides.

mod destination;
mod ledger;
mod recorder;
mod shares;
mod writer;

use std::{str::FromStr, sync::Arc, time::Duration};

use crate::{
    domain::{Invalid, UrlId, UserId, clock::Timestamp},
    visitors::Visitor,
};

pub use self::{
    ledger::{Ledger, Loss},
    recorder::ClickRecorder,
    shares::ClientSlot,
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
    /// Whose share of the queue it takes.
    pub client: ClientSlot,
}

impl Click {
    /// Bytes that the click takes beside itself.
    fn heap_bytes(&self) -> usize {
        self.visitor.heap_bytes()
    }
}

/// When a redirect is answered, written `buffered`, `committed` or `committed:MILLISECONDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Immediately; what waits in memory is lost if the process is killed.
    Buffered,
    /// When its click is in a committed batch, or after this time.
    Committed(Duration),
}

/// How long a redirect waits for its click to be committed if no time is given.
const COMMIT_WAIT: Duration = Duration::from_millis(500);

impl FromStr for Durability {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid = Invalid("must be buffered, committed or committed:MILLISECONDS");
        match text.split_once(':') {
            None if text == "buffered" => Ok(Self::Buffered),
            None if text == "committed" => Ok(Self::Committed(COMMIT_WAIT)),
            Some(("committed", millis)) => {
                let millis = millis.parse().ok().filter(|millis| (1..=10_000).contains(millis)).ok_or(FORM)?;
                Ok(Self::Committed(Duration::from_millis(millis)))
            }
            _ => Err(FORM),
        }
    }
}

/// How clicks are gathered, and how long their events are kept.
#[derive(Debug, Clone, Copy)]
pub struct ClickSettings {
    /// A batch is written when its first click has waited for this long, or when it is full.
    pub flush_after: Duration,
    /// Bytes of memory that waiting clicks take at most.
    pub queue_bytes: usize,
    /// What a redirect waits for.
    pub durability: Durability,
    /// Days after which click events are deleted, if they ever are.
    pub kept_days: Option<u32>,
}

/// Clicks that fill a batch.
const BATCH: usize = 10_000;
/// Clicks of one window beyond which it is made longer: what a click costs the database falls by half with ten times
/// the clicks in a batch, since those of one link share the rows that they add to.
const BUSY: usize = 100;
/// How much longer.
const BUSY_FACTOR: u32 = 10;

impl ClickSettings {
    /// How long a batch of this many clicks waits for more. If redirects wait for their batch, it does not wait at
    /// all: while one is written the next gathers by itself.
    fn patience(&self, clicks: usize) -> Duration {
        match self.durability {
            Durability::Buffered if clicks > BUSY => self.flush_after * BUSY_FACTOR,
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
