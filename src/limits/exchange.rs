//! The task that exchanges tokens with the other replicas, through the database, once a second.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Ask, Grant, Limits};
use crate::{
    db::{Result, Store, StoreError},
    fleet::Availability,
    store::LimitAsk,
};

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// How long an exchange may take; a late answer is a lost one.
const LIMIT: Duration = Duration::from_millis(900);
/// Full pots are deleted every so many exchanges.
const PRUNE_EVERY: u32 = 10;

/// Exchanges until `stop`.
pub async fn run(limits: Arc<Limits>, store: Store, availability: Availability, stop: CancellationToken) {
    let mut exchanges = Exchanges { limits, store, candidate: hex::encode(rand::random::<[u8; 32]>()), turn: 0 };
    while stop.run_until_cancelled(sleep(EVERY)).await.is_some() {
        if availability.outage().is_none() {
            let exchanged = timeout(LIMIT, exchanges.once());
            let Some(exchanged) = stop.run_until_cancelled(exchanged).await else { return };
            let late = || Err(StoreError::Unavailable(format!("no answer within {} ms", LIMIT.as_millis())));
            if let Err(error) = exchanged.unwrap_or_else(|_| late()) {
                tracing::warn!(%error, "budgets were not shared");
            }
        }
        exchanges.limits.sweep(Instant::now());
    }
}

/// What an exchange needs.
struct Exchanges {
    limits: Arc<Limits>,
    store: Store,
    /// The salt, should there be none yet.
    candidate: String,
    turn: u32,
}

impl Exchanges {
    async fn once(&mut self) -> Result<()> {
        let Some((live, salt)) = self.store.limits_fleet(&self.candidate).await? else { return Ok(()) };
        let asks = self.limits.asks(Instant::now());
        let grants = if asks.is_empty() { Vec::new() } else { self.exchange(&asks, &salt).await? };
        self.limits.settle(live, &grants, Instant::now());
        self.turn = (self.turn + 1) % PRUNE_EVERY;
        if self.turn == 0 {
            self.store.prune_limits().await?;
        }
        Ok(())
    }

    async fn exchange(&self, asks: &[Ask], salt: &str) -> Result<Vec<Grant>> {
        let rows: Vec<LimitAsk> = asks.iter().map(|ask| row(ask, salt)).collect();
        let asked: HashMap<(i16, &str), &Ask> =
            rows.iter().zip(asks).map(|(row, ask)| ((row.policy, row.subject.as_str()), ask)).collect();
        let granted = self.store.exchange_limits(&rows).await?;
        let grants = granted.iter().filter_map(|grant| {
            let ask = asked.get(&(grant.policy, grant.subject.as_str()))?;
            Some(Grant { policy: ask.policy, subject: ask.subject, tokens: grant.tokens, charge: ask.charge })
        });
        Ok(grants.collect())
    }
}

fn row(ask: &Ask, salt: &str) -> LimitAsk {
    LimitAsk {
        // There are four.
        policy: ask.policy as i16,
        subject: ask.subject.hash(salt),
        wanted: ask.wanted,
        charge: ask.charge,
        capacity: ask.capacity,
        rate: ask.rate,
    }
}
