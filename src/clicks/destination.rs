//! Where batches go: into the database, each exactly once, however often it takes to get an answer.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Click, Ledger, Loss};
use crate::{
    domain::{Clock, Details},
    store::{Availability, Counted, NewClick, Result, Store, StoreError},
};

/// Pauses between attempts to write a batch: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Writes batches and keeps the ledger.
pub(super) struct Destination {
    store: Store,
    availability: Availability,
    clock: Clock,
    ledger: Arc<Ledger>,
    give_up: CancellationToken,
}

impl Destination {
    pub(super) fn new(
        store: Store,
        availability: Availability,
        clock: Clock,
        ledger: Arc<Ledger>,
        give_up: CancellationToken,
    ) -> Self {
        Self { store, availability, clock, ledger, give_up }
    }

    /// Tries until each click is stored, or known to be impossible to store, or until it is time to give up; answers
    /// whether all are stored. A batch that the database will not take is halved until the click at fault stands alone.
    pub(super) async fn settle(&mut self, clicks: &[Click]) -> bool {
        let mut parts = vec![clicks];
        let mut all_stored = true;
        while let Some(part) = parts.pop() {
            let Some(result) = self.give_up.clone().run_until_cancelled(self.store_part(part)).await else {
                self.ledger.lose(part.len(), Loss::Shutdown);
                all_stored = false;
                continue;
            };
            match result {
                Ok(()) => self.ledger.store(part.len()),
                Err(error) if part.len() <= 1 => {
                    tracing::error!(%error, "a click cannot be stored");
                    self.ledger.lose(part.len(), Loss::Refused);
                    all_stored = false;
                }
                Err(_) => {
                    let (former, latter) = part.split_at(part.len() / 2);
                    parts.extend([latter, former]);
                }
            }
        }
        all_stored
    }

    /// Tries until these clicks are stored. Their batch's id is the same at each try: whether an earlier one was stored after
    /// all, its receipt tells.
    ///
    /// # Errors
    /// Where the database finds fault with a click.
    async fn store_part(&mut self, clicks: &[Click]) -> Result<()> {
        if clicks.is_empty() {
            return Ok(());
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.try_part(&id, clicks).await {
            if error.is_about_values() {
                return Err(error);
            }
            // Once is enough to say: a longer outage has its own line per attempt to connect.
            if pause == FIRST_PAUSE {
                tracing::warn!(%error, clicks = clicks.len(), "clicks not stored yet, trying again");
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        Ok(())
    }

    async fn try_part(&mut self, id: &str, clicks: &[Click]) -> Result<()> {
        let clicks: Vec<NewClick<'_>> = clicks.iter().map(new_click).collect();
        tokio::select! {
            stored = self.store.store_clicks(id, &clicks, self.clock.now()) => stored,
            outage = self.availability.lost() => Err(StoreError::Unavailable(outage.reason)),
        }
    }
}

fn new_click(click: &Click) -> NewClick<'_> {
    NewClick {
        counted: Counted {
            url_id: click.url_id,
            owner: Some(click.owner),
            at: click.at,
            is_bot: false,
            visitor: None,
            values: Vec::new(),
        },
        details: Details::none(),
    }
}
