//! The far end of the queue: gathers clicks into batches and hands them on.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    BATCH, Click, ClickSettings, Ledger, Loss,
    destination::Destination,
    recorder::{Message, QueueState},
};
use crate::{db::Store, domain::Clock, fleet::Availability};

/// After this pause without a click the writer looks for pending rows that are due.
const IDLE: Duration = Duration::from_secs(5);

/// Writes clicks until it is told to end.
#[derive(Debug)]
pub struct ClickWriter {
    settings: ClickSettings,
    inbox: mpsc::UnboundedReceiver<Message>,
    queue: Arc<QueueState>,
    ledger: Arc<Ledger>,
}

/// Clicks to be written together, and the requests that wait for that.
#[derive(Default)]
struct Batch {
    clicks: Vec<Click>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl ClickWriter {
    pub(super) fn new(
        settings: ClickSettings,
        inbox: mpsc::UnboundedReceiver<Message>,
        queue: Arc<QueueState>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self { settings, inbox, queue, ledger }
    }

    /// Writes until `stop`, then what is in the queue. At `give_up` the clicks that are not stored are counted as lost,
    /// as are those that come after `stop`.
    pub async fn run(
        mut self,
        store: Store,
        availability: Availability,
        clock: Clock,
        stop: CancellationToken,
        give_up: CancellationToken,
    ) {
        let mut destination = Destination::new(store, availability, clock, Arc::clone(&self.ledger), give_up);
        while let Some(batch) = self.gather(&stop).await {
            let all_stored = destination.settle(&batch.clicks).await;
            self.queue.release(&batch.clicks);
            if all_stored {
                tell(batch.waiting);
            }
            destination.forget_salts();
            destination.fold_due().await;
        }
        let lost = self.ledger.lost();
        if lost > 0 {
            let by = |reason| self.ledger.lost_by(reason);
            tracing::error!(
                clicks.accepted = self.ledger.accepted(),
                clicks.lost = lost,
                queue_full = by(Loss::QueueFull),
                shutdown = by(Loss::Shutdown),
                refused = by(Loss::Refused),
                "clicks were lost"
            );
        }
    }

    /// The next batch, empty if nothing came for a while; none after `stop`, when the queue is empty.
    async fn gather(&mut self, stop: &CancellationToken) -> Option<Batch> {
        let mut batch = Batch::default();
        let first = tokio::select! {
            first = timeout(IDLE, self.inbox.recv()) => first,
            () = stop.cancelled(), if !self.inbox.is_closed() => {
                self.inbox.close();
                Ok(self.inbox.recv().await)
            }
        };
        let Ok(first) = first else { return Some(batch) };
        let first = first?;
        let begun = Instant::now();
        let mut due = self.take(&mut batch, first) || self.drain(&mut batch);
        // Not woken by each click that comes in: by a full batch, by a reader that asks for it, or by the time.
        while !due && !stop.is_cancelled() && begun.elapsed() < self.settings.patience(batch.clicks.len()) {
            let deadline = begun + self.settings.patience(batch.clicks.len());
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = self.queue.nudged() => {}
                () = stop.cancelled() => {}
            }
            due = self.drain(&mut batch);
        }
        Some(batch)
    }

    /// Adds what waits to the batch; answers whether the batch is to be written now.
    fn drain(&mut self, batch: &mut Batch) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(message) => {
                    if self.take(batch, message) {
                        return true;
                    }
                }
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// Adds a message to the batch; answers whether the batch is to be written now.
    fn take(&self, batch: &mut Batch, message: Message) -> bool {
        self.queue.took();
        match message {
            Message::Click(click, waiting) => {
                batch.clicks.push(click);
                batch.waiting.extend(waiting);
                batch.clicks.len() >= BATCH
            }
            Message::Flush(done) => {
                batch.waiting.push(done);
                true
            }
        }
    }
}

/// Tells those who wait that it is done. They may have gone.
fn tell(waiting: Vec<oneshot::Sender<()>>) {
    waiting.into_iter().for_each(|waiting| _ = waiting.send(()));
}
