//! The far end of the queue: gathers clicks into batches and writes each in one transaction.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Click, ClickSettings, Ledger, recorder::Message};
use crate::{
    domain::{Clock, Details, EventType, NewEvent},
    store::{Availability, Result, Store, StoreError},
};

/// Pauses between attempts to write a batch: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Writes clicks until every recorder is gone.
#[derive(Debug)]
pub struct ClickWriter {
    settings: ClickSettings,
    inbox: mpsc::Receiver<Message>,
    ledger: Arc<Ledger>,
}

/// Clicks to be written together, and who waits for that.
#[derive(Default)]
struct Batch {
    clicks: Vec<Click>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl ClickWriter {
    pub(super) fn new(settings: ClickSettings, inbox: mpsc::Receiver<Message>, ledger: Arc<Ledger>) -> Self {
        Self { settings, inbox, ledger }
    }

    /// Writes until the last recorder is gone and the queue is empty, or until `give_up`: what is not stored by then
    /// is counted as lost.
    pub async fn run(mut self, store: Store, availability: Availability, clock: Clock, give_up: CancellationToken) {
        let destination = Destination { store, availability, clock };
        while let Some(batch) = self.gather().await {
            let stored = give_up.run_until_cancelled(destination.store_until_done(&batch.clicks)).await.is_some();
            let counter = if stored { &self.ledger.stored } else { &self.ledger.lost };
            Ledger::add(counter, batch.clicks.len());
            for waiting in batch.waiting {
                // Whoever waited may have gone meanwhile.
                waiting.send(()).ok();
            }
        }
        let lost = self.ledger.lost();
        if lost > 0 {
            tracing::error!(clicks.accepted = self.ledger.accepted(), clicks.lost = lost, "clicks were lost");
        }
    }

    /// The next batch; none when every recorder is gone and the queue is empty.
    async fn gather(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        let first = self.inbox.recv().await?;
        let mut full = self.take(&mut batch, first);
        let deadline = Instant::now() + self.settings.flush_after;
        while !full {
            match timeout_at(deadline, self.inbox.recv()).await {
                Ok(Some(message)) => full = self.take(&mut batch, message),
                Ok(None) | Err(_) => full = true,
            }
        }
        Some(batch)
    }

    /// Adds a message to the batch; answers whether the batch is to be written now.
    fn take(&self, batch: &mut Batch, message: Message) -> bool {
        match message {
            Message::Click(click) => {
                batch.clicks.push(click);
                batch.clicks.len() >= self.settings.batch_size
            }
            Message::Flush(done) => {
                batch.waiting.push(done);
                true
            }
        }
    }
}

/// Where batches go.
struct Destination {
    store: Store,
    availability: Availability,
    clock: Clock,
}

impl Destination {
    /// Tries until the batch is stored. Its id is the same at each try: whether an earlier one was stored after all,
    /// its receipt tells.
    async fn store_until_done(&self, clicks: &[Click]) {
        if clicks.is_empty() {
            return;
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let events: Vec<NewEvent> = clicks.iter().map(event).collect();
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.store_once(&id, &events).await {
            // Once is enough to say: a longer outage has its own line per attempt to connect.
            if pause == FIRST_PAUSE {
                tracing::warn!(%error, clicks = clicks.len(), "clicks not stored yet, trying again");
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn store_once(&self, id: &str, events: &[NewEvent]) -> Result<()> {
        tokio::select! {
            stored = self.store.store_clicks(id, events, self.clock.now()) => stored,
            outage = self.availability.lost() => Err(StoreError::Unavailable(outage.reason)),
        }
    }
}

fn event(click: &Click) -> NewEvent {
    NewEvent {
        url_id: click.url_id,
        user_id: None,
        event_type: EventType::click(),
        timestamp: click.at,
        details: Details::none(),
    }
}
