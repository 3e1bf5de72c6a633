//! The near end of the queue: takes clicks, and waits for none but those that are to be committed first.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use super::{
    BATCH, Click, ClickSettings, Durability, Ledger, Loss,
    shares::{ClientSlot, Shares},
};
use crate::fleet::Availability;

/// What travels through the queue.
#[derive(Debug)]
pub(super) enum Message {
    /// Store this, and tell the waiting caller.
    Click(Click, Option<oneshot::Sender<()>>),
    /// Write earlier clicks immediately, then tell the caller.
    Flush(oneshot::Sender<()>),
}

/// What both ends know of the queue.
#[derive(Debug, Default)]
pub(super) struct QueueState {
    /// Bytes of clicks that are neither stored nor lost.
    bytes: AtomicUsize,
    shares: Shares,
    /// Messages that the writer has not taken yet.
    waiting: AtomicUsize,
    /// Wakes the writer before its time.
    nudge: Notify,
}

impl QueueState {
    /// Takes room for a click of a client; false if there is none for this client.
    fn reserve(&self, client: ClientSlot, bytes: usize, bound: usize) -> bool {
        let taken = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let fits = taken <= bound && self.shares.add(client, bytes, taken, bound);
        if !fits {
            self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        }
        fits
    }

    /// Gives back the room of clicks.
    pub(super) fn release(&self, clicks: &[Click]) {
        for click in clicks {
            self.give_back(click.client, Message::bytes_of(click));
        }
    }

    fn give_back(&self, client: ClientSlot, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.shares.remove(client, bytes);
    }

    /// Notes a message; answers how many wait now.
    fn put(&self) -> usize {
        self.waiting.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Notes that the writer took a message.
    pub(super) fn took(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Returns when the writer is to look into the queue before its time.
    pub(super) async fn nudged(&self) {
        self.nudge.notified().await;
    }
}

impl Message {
    /// Bytes that the queue takes for a click, from above: its place in the channel, which grows by blocks, and in
    /// the batch that it is gathered into.
    pub(super) fn bytes_of(click: &Click) -> usize {
        2 * size_of::<Self>() + click.heap_bytes()
    }
}

/// The sending side, shared by all recorders.
#[derive(Debug)]
struct Shared {
    queue: mpsc::UnboundedSender<Message>,
    state: Arc<QueueState>,
    settings: ClickSettings,
}

/// Takes clicks from redirects.
#[derive(Debug, Clone)]
pub struct ClickRecorder {
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
}

impl ClickRecorder {
    pub(super) fn new(settings: ClickSettings, queue: mpsc::UnboundedSender<Message>, ledger: Arc<Ledger>) -> Self {
        Self { shared: Arc::new(Shared { queue, state: Arc::default(), settings }), ledger }
    }

    pub(super) fn queue_state(&self) -> Arc<QueueState> {
        Arc::clone(&self.shared.state)
    }

    /// Takes a click, immediately if clicks are buffered: a redirect must not be slowed by its own bookkeeping. If
    /// the queue is full the click is lost, and counted as such.
    ///
    /// If clicks are to be committed, returns when this one is stored, or when its time is up or `database` is
    /// known to be away: the click stays in the queue then, and the redirect is counted as degraded.
    pub async fn record(&self, click: Click, database: &Availability) {
        let Durability::Committed(limit) = self.shared.settings.durability else {
            self.enqueue(click, None);
            return;
        };
        let (done, stored) = oneshot::channel();
        let queued = self.enqueue(click, Some(done));
        let may_wait = queued && database.outage().is_none();
        // An inner error means that the click was given up.
        if !(may_wait && matches!(timeout(limit, stored).await, Ok(Ok(())))) {
            self.ledger.degrade();
        }
    }

    /// Whether [`Self::record`] never waits.
    pub fn is_buffered(&self) -> bool {
        self.shared.settings.durability == Durability::Buffered
    }

    /// Takes a click without waiting for it to be stored. Answers whether there was room for it; if there was none
    /// it is lost, and counted as such.
    pub fn take(&self, click: Click) -> bool {
        self.enqueue(click, None)
    }

    /// Answers whether there was room for the click.
    fn enqueue(&self, click: Click, waiting: Option<oneshot::Sender<()>>) -> bool {
        let (state, settings) = (&self.shared.state, &self.shared.settings);
        self.ledger.accept();
        let (client, bytes) = (click.client, Message::bytes_of(&click));
        if !state.reserve(client, bytes, settings.queue_bytes) {
            self.ledger.lose(1, Loss::QueueFull);
            return false;
        }
        let waiting_now = state.put();
        if self.shared.queue.send(Message::Click(click, waiting)).is_err() {
            // The writer has ended: a request was cut off at the deadline of the shutdown.
            state.give_back(client, bytes);
            self.ledger.lose(1, Loss::Shutdown);
            return false;
        }
        if waiting_now == BATCH {
            state.nudge.notify_one();
        }
        true
    }

    /// Waits until the clicks recorded before are stored, for `limit` at most: a client who follows a link and then
    /// asks for its events or statistics finds the click.
    pub async fn flush(&self, limit: Duration) {
        let (done, stored) = oneshot::channel();
        let state = &self.shared.state;
        state.put();
        if self.shared.queue.send(Message::Flush(done)).is_ok() {
            state.nudge.notify_one();
            // After the timeout the client reads what is stored so far. An inner error means that the writer has ended.
            timeout(limit, stored).await.ok();
        }
    }

    /// The slot of the client at an address.
    pub fn slot(&self, address: Option<IpAddr>) -> ClientSlot {
        self.shared.state.shares.slot(address)
    }

    /// The counts so far.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }
}
