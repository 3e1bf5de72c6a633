//! What every route shares: handles on the store and the click queue, and the settings of the HTTP side.

use std::{
    collections::HashSet,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderName, HeaderValue};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    cache::LinkCache,
    clicks::{ClickRecorder, Ledger, Visitors},
    domain::{Clock, TargetPolicy, TrustedProxies, clock::Timestamp},
    limits::{Limits, Load},
    metrics::RequestMetrics,
    outbound::Titles,
    store::{Availability, Store},
};

/// The settings of the HTTP side.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Scheme and host of short links, without a slash at the end; taken from each request where it is none.
    pub public_url: Option<String>,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a bulk upload may take.
    pub bulk_timeout: Duration,
    /// Bytes of a body at most.
    pub body_limit: usize,
    /// Bytes of a bulk upload at most.
    pub bulk_limit: u64,
    /// The name of this replica, sent as `X-Replica`.
    pub replica: HeaderValue,
    /// When this process started.
    pub started_at: Timestamp,
    /// Who is believed about where a request comes from.
    pub trust: Trust,
    /// Where links may lead.
    pub targets: TargetPolicy,
}

/// Who is believed about where a request comes from; nobody by default.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The header in which proxies name the client.
    pub header: Option<HeaderName>,
    /// The proxies whose header is believed.
    pub proxies: TrustedProxies,
}

/// What routes share: one pointer, since every layer that a request passes takes a clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// The handles behind [`AppState`].
pub struct Shared {
    /// The database.
    pub store: Store,
    /// Whether the database can be used.
    pub availability: Availability,
    /// Links at hand.
    pub cache: Arc<LinkCache>,
    /// What `/metrics` tells.
    pub metrics: RequestMetrics,
    /// Reads who follows a link.
    pub visitors: Visitors,
    /// Where redirects leave their clicks.
    pub clicks: ClickRecorder,
    /// Looks up the titles of targets, where that is asked for.
    pub titles: Titles,
    /// Tells the time.
    pub clock: Clock,
    /// Who may do what.
    pub access: Access,
    /// The settings of the HTTP side.
    pub settings: HttpSettings,
    /// Cancelled when this process begins to shut down.
    pub draining: CancellationToken,
    /// Bulk uploads that may still begin: each holds a connection, on SQLite the turn to write, while it arrives.
    pub uploads: Arc<Semaphore>,
    /// What clients may still do.
    pub limits: Arc<Limits>,
    /// How much work is taken in at once.
    pub load: Load,
    /// Idempotency keys at work in this process.
    pub keys_at_work: KeysAtWork,
}

impl From<Shared> for AppState {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl AppState {
    /// This process's counters, as the other replicas and `GET /replicas` see them: a JSON object.
    pub fn totals(&self) -> String {
        totals(self.clicks.ledger())
    }
}

/// A ledger as a JSON object.
pub fn totals(ledger: &Ledger) -> String {
    // What became of clicks before how many there were: the sum is never more than the whole.
    let (stored, lost) = (ledger.stored(), ledger.lost());
    let accepted = ledger.accepted();
    format!(r#"{{"clicks_accepted":{accepted},"clicks_stored":{stored},"clicks_lost":{lost}}}"#)
}

/// Idempotency keys at work in this process.
#[derive(Debug, Clone, Default)]
pub struct KeysAtWork(Arc<Mutex<HashSet<String>>>);

/// Holds a key until it is dropped.
#[derive(Debug)]
pub struct KeyAtWork {
    key: String,
    keys: KeysAtWork,
}

impl KeysAtWork {
    /// Takes `key`; none where it is taken already.
    pub fn take(&self, key: &str) -> Option<KeyAtWork> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        taken.then(|| KeyAtWork { key: key.to_owned(), keys: self.clone() })
    }
}

impl Drop for KeyAtWork {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
