//! The destination of batches: the database, each exactly once, however often it takes to get an answer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Click, Ledger, Loss};
use crate::{
    db::{Result, Store, StoreError},
    domain::{Clock, rollup::day_of},
    fleet::Availability,
    stats::{ClickBatch, Counted, NewClick},
    visitors::Salt,
};

/// Pauses between attempts to write a batch: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Clicks of a batch that are prepared in one go.
const AT_A_TIME: usize = 256;

/// Writes batches and keeps the ledger.
pub(super) struct Destination {
    store: Store,
    availability: Availability,
    clock: Clock,
    ledger: Arc<Ledger>,
    give_up: CancellationToken,
    salts: Salts,
    /// When it last looked for pending rows.
    looked: Option<Instant>,
}

/// How long pending rows wait to be folded together, unless a reader of statistics folds them: in ten seconds a link
/// gathers two or three dozen batches of three busy replicas.
const FOLD_AFTER: Duration = Duration::from_secs(10);
/// Pause between looking for rows that are due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An import may hold the rollups for minutes: the next look folds then.
const FOLD_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The salts of the days that clicks were lately of, by day: two around midnight, more after a long outage.
type Salts = BTreeMap<i64, Salt>;
/// Days before today whose salts are kept in memory: a day's salt is 48 hours old then at most.
const SALT_DAYS: i64 = 1;

impl Destination {
    pub(super) fn new(
        store: Store,
        availability: Availability,
        clock: Clock,
        ledger: Arc<Ledger>,
        give_up: CancellationToken,
    ) -> Self {
        Self { store, availability, clock, ledger, give_up, salts: Salts::new(), looked: None }
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

    /// Drops the salts of days that are past, as the database does.
    pub(super) fn forget_salts(&mut self) {
        forget_past(&mut self.salts, day_of(self.clock.now()));
    }

    /// Folds pending rows that are due, of any replica. A fold that fails is made up for by a later one.
    pub(super) async fn fold_due(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let folded = async {
            tokio::select! {
                folded = self.store.fold_due_clicks(self.clock.now() - FOLD_AFTER, FOLD_LOCK_TIMEOUT) => folded,
                outage = self.availability.lost() => Err(StoreError::Unavailable(outage.reason)),
            }
        };
        if let Some(Err(error)) = self.give_up.run_until_cancelled(folded).await {
            tracing::debug!(%error, "clicks not folded yet");
        }
    }

    /// Tries until these clicks are stored. Their batch's id is the same at each try: whether an earlier one was
    /// stored after all, its receipt tells.
    ///
    /// # Errors
    /// The database finds fault with a click.
    async fn store_part(&mut self, clicks: &[Click]) -> Result<()> {
        if clicks.is_empty() {
            return Ok(());
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.try_part(&id, clicks).await {
            if error.is_about_values() {
                self.ledger.set_trouble(None);
                return Err(error);
            }
            // Once may be chance, such as a deadlock.
            if pause > FIRST_PAUSE {
                self.ledger.set_trouble(Some(error.public_reason()));
            }
            // Once is enough to say: a longer outage has its own line per attempt to connect.
            if pause == FIRST_PAUSE {
                tracing::warn!(%error, clicks = clicks.len(), "clicks not stored yet, trying again");
            }
            if matches!(error, StoreError::IdsTaken)
                && let Err(error) = self.store.mend_sequences().await
            {
                tracing::warn!(%error, "a sequence is behind its table and could not be moved");
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        self.ledger.set_trouble(None);
        Ok(())
    }

    async fn try_part(&mut self, id: &str, clicks: &[Click]) -> Result<()> {
        let availability = self.availability.clone();
        self.forget_salts();
        let stored = async {
            self.know_salts(clicks).await?;
            let mut batch = ClickBatch::with_capacity(clicks.len());
            for part in clicks.chunks(AT_A_TIME) {
                part.iter().for_each(|click| batch.add(new_click(click, &self.salts)));
                // Redirects are answered on this thread, too.
                yield_now().await;
            }
            self.store.store_clicks(id, &batch, self.clock.now()).await
        };
        tokio::select! {
            stored = stored => stored,
            outage = availability.lost() => Err(StoreError::Unavailable(outage.reason)),
        }
    }

    /// Asks for the salts of these clicks' days, which replicas share, or makes them.
    async fn know_salts(&mut self, clicks: &[Click]) -> Result<()> {
        for click in clicks {
            let day = day_of(click.at);
            if !self.salts.contains_key(&day) {
                let salt = self.store.visitor_salt(day, &rand::random()).await?;
                self.salts.insert(day, Salt::new(&salt));
            }
        }
        Ok(())
    }
}

fn forget_past(salts: &mut Salts, today: i64) {
    salts.retain(|day, _| *day >= today - SALT_DAYS);
}

fn new_click<'a>(click: &'a Click, salts: &Salts) -> NewClick<'a> {
    let is_bot = click.visitor.is_bot();
    // A program's click is no visit.
    let salt = salts.get(&day_of(click.at)).filter(|_| !is_bot);
    let counted = Counted {
        url_id: click.url_id,
        owner: Some(click.owner),
        at: click.at,
        is_bot,
        visitor: salt.and_then(|salt| click.visitor.hash(salt)),
        values: click.visitor.values().collect(),
    };
    NewClick { counted, details: click.visitor.details() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_in_memory_for_two_days() {
        let mut salts: Salts = (100..104).map(|day| (day, Salt::new(&[7; 32]))).collect();
        forget_past(&mut salts, 103);
        assert_eq!(salts.keys().copied().collect::<Vec<_>>(), [102, 103]);
        forget_past(&mut salts, 105);
        assert!(salts.is_empty());
    }
}
