//! The near end of the queue: takes clicks and never waits.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Click, Ledger};

/// What travels through the queue.
#[derive(Debug)]
pub(super) enum Message {
    /// Store this.
    Click(Click),
    /// Write what came before at once, then say so.
    Flush(oneshot::Sender<()>),
}

/// Takes clicks from redirects. The writer ends when the last clone is gone and the queue is empty.
#[derive(Debug, Clone)]
pub struct ClickRecorder {
    queue: mpsc::Sender<Message>,
    ledger: Arc<Ledger>,
}

impl ClickRecorder {
    pub(super) fn new(queue: mpsc::Sender<Message>, ledger: Arc<Ledger>) -> Self {
        Self { queue, ledger }
    }

    /// Never waits: a redirect must not be slowed by its own bookkeeping. Where the queue is full the click is lost,
    /// and counted as such.
    pub fn record(&self, click: Click) {
        Ledger::add(&self.ledger.accepted, 1);
        if self.queue.try_send(Message::Click(click)).is_err() {
            Ledger::add(&self.ledger.lost, 1);
        }
    }

    /// Waits until the clicks recorded before are stored, for `limit` at most, so that a client who followed a link
    /// and then asks for its events finds its click.
    pub async fn flush(&self, limit: Duration) {
        let (done, stored) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                // An error means that the writer has ended: there is nothing to wait for.
                stored.await.ok();
            }
        };
        // Past the limit the reader gets what is stored so far.
        timeout(limit, flushed).await.ok();
    }

    /// The counts so far.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Clicks waiting to be written.
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}
