//! What every route shares: handles on the store and the click queue, and the settings of the HTTP side.

use std::{
    collections::HashSet,
    fmt,
    net::IpAddr,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderName, HeaderValue};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    access::Access,
    cache::LinkCache,
    clicks::{ClickRecorder, Ledger},
    db::{Committed, Peers, PoolUse, Result, Store, StoreError, Tx},
    domain::{Caller, Clock, Secret, ShortCode, TargetPolicy, TrustedProxies, clock::Timestamp},
    feed::Feed,
    fleet::Availability,
    limits::{Exclusive, Limits, Load},
    metrics::RequestMetrics,
    outbound::Titles,
    store::Link,
    visitors::Visitors,
};

/// The settings of the HTTP side.
#[derive(Debug, Clone, Default)]
pub struct HttpSettings {
    /// Scheme, host and perhaps port of short links; taken from each request if there is none.
    pub public_url: Option<Url>,
    /// Whether there are pages for people under `/console`.
    pub console: bool,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a bulk upload may take.
    pub bulk_timeout: Duration,
    /// Bytes of a body at most.
    pub body_limit: usize,
    /// Bytes of a bulk upload at most.
    pub bulk_limit: u64,
    /// Concurrent requests that need the database.
    pub concurrent: usize,
    /// Whether titles of targets are fetched.
    pub fetch_titles: bool,
    /// Which proxies are trusted to name the client.
    pub trust: Trust,
    /// The rules for targets of links.
    pub targets: TargetPolicy,
}

/// Which proxies are trusted to name the client; none by default.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The header in which proxies name the client.
    pub header: Option<HeaderName>,
    /// The proxies whose header is trusted.
    pub proxies: TrustedProxies,
}

/// Who opened a connection: set on each request by the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// An address appears in no log.
impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerAddress").finish_non_exhaustive()
    }
}

/// The caller of a request that the console makes for the person who signed in. Set within the process alone: the
/// gate believes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn(pub Caller);

/// How long a change waits for the other replicas to invalidate their cached links.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(200);

/// How long a request waits for a process that has just started to connect for the first time.
pub const FIRST_ATTEMPT: Duration = Duration::from_millis(500);

/// Connections that reads of the API leave to clicks, redirects, keys and changes.
const KEPT_FREE: u32 = 2;

/// How long a read of the API waits for others.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a reader of events or statistics waits for clicks on their way.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(300);

/// What routes share: one pointer, since every layer that a request passes takes a clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The database stands apart from the other handles, so that no route passes by the check of [`AppState::store`].
struct Inner {
    store: Store,
    /// Permits for reads of the API.
    reads: Semaphore,
    shared: Shared,
}

/// The store while a read of the API uses it.
#[derive(Debug)]
pub struct Reading<'a> {
    store: &'a Store,
    _permit: SemaphorePermit<'a>,
}

impl Deref for Reading<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

/// The handles behind [`AppState`].
pub struct Shared {
    /// Whether the database can be used.
    pub availability: Availability,
    /// Cached links.
    pub cache: Arc<LinkCache>,
    /// What `/metrics` tells.
    pub metrics: RequestMetrics,
    /// Reads who follows a link.
    pub visitors: Visitors,
    /// The recorder that takes the clicks of redirects.
    pub clicks: ClickRecorder,
    /// What streams of events listen to.
    pub feed: Feed,
    /// Looks up the titles of targets, if that is asked for.
    pub titles: Titles,
    /// Tells the time.
    pub clock: Clock,
    /// Who may do what.
    pub access: Access,
    /// The settings of the HTTP side.
    pub settings: HttpSettings,
    /// The name of this replica, sent as `X-Replica`.
    pub replica: HeaderValue,
    /// When this process started.
    pub started_at: Timestamp,
    /// Cancelled when this process begins to shut down.
    pub draining: CancellationToken,
    /// Bulk uploads that may still begin: each holds a connection, on SQLite the turn to write, while it arrives.
    pub uploads: Arc<Semaphore>,
    /// How often clients may do what costs others.
    pub limits: Limits,
    /// The clients that read a list, each one at a time.
    pub listing: Exclusive,
    /// The users that create something, each one thing at a time.
    pub creating: Exclusive,
    /// The bounds on concurrent work.
    pub load: Load,
    /// Idempotency keys at work in this process.
    pub keys_at_work: KeysAtWork,
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0.shared
    }
}

impl AppState {
    /// The state of a process that serves `store`.
    pub fn new(store: Store, shared: Shared) -> Self {
        let reads = Semaphore::new(store.connections().saturating_sub(KEPT_FREE).max(1) as usize);
        Self(Arc::new(Inner { store, reads, shared }))
    }

    /// The store, if the database can be used now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], immediately, while the monitor knows of an outage.
    pub fn store(&self) -> Result<&Store> {
        match self.availability.outage() {
            None => Ok(&self.0.store),
            Some(outage) => Err(StoreError::Unavailable(outage.reason)),
        }
    }

    /// The store, once the clicks that this replica took are in it, so that a client who follows a link and then asks
    /// for its events finds the click.
    ///
    /// # Errors
    /// As [`AppState::store`].
    pub async fn flushed_store(&self) -> Result<&Store> {
        let store = self.store()?;
        self.clicks.flush(FLUSH_TIMEOUT).await;
        Ok(store)
    }

    /// The store, over the connections of lists, once the statistics hold these clicks, and all that any replica stored.
    ///
    /// # Errors
    /// As [`AppState::store`], and if pending rows cannot be read.
    pub async fn counted_store(&self) -> Result<Store> {
        let store = self.flushed_store().await?.for_lists();
        match store.fold_clicks(FLUSH_TIMEOUT).await {
            // An import holds the rollups, there is much to fold, or the database takes no changes: the statistics are
            // answered as they were before.
            Ok(_) | Err(StoreError::Unavailable(_) | StoreError::TooSlow | StoreError::NoChanges(_)) => Ok(store),
            Err(error) => Err(error),
        }
    }

    /// The store for a read of the API. Such reads wait for each other, so that they leave connections to clicks,
    /// redirects, keys and changes.
    ///
    /// # Errors
    /// As [`AppState::store`], and [`StoreError::Overloaded`] if too many others are in progress.
    pub async fn reading_store(&self) -> Result<Reading<'_>> {
        let permit = timeout(READ_TIMEOUT, self.0.reads.acquire()).await.ok().and_then(std::result::Result::ok);
        let _permit = permit.ok_or(StoreError::Overloaded)?;
        Ok(Reading { store: self.store()?, _permit })
    }

    /// The link of a code, from the cache if it is fresh there; during an outage a stale one, as long as its time
    /// allows.
    ///
    /// # Errors
    /// If the code is not in the cache and the database cannot be asked.
    pub async fn link(&self, code: &ShortCode) -> std::result::Result<Option<Arc<Link>>, Arc<StoreError>> {
        self.cache.link(code, &self.0.store, &self.availability).await
    }

    /// Who has this key; none if it is not good.
    ///
    /// # Errors
    /// If the database would have to be asked, and is away, fails, or takes longer than a request may.
    pub async fn holder(&self, secret: &Secret) -> Result<Option<Caller>> {
        self.availability.first_attempt(FIRST_ATTEMPT).await;
        let asked = self.access.holder(secret, self.store()?, &self.clock);
        match timeout(self.settings.request_timeout, asked).await {
            Ok(holder) => Ok(holder?.map(Caller::Key)),
            Err(_) => Err(StoreError::TooSlow),
        }
    }

    /// Begins a change that `caller` asked for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] during an outage, and if no connection becomes free in time.
    pub async fn begin(&self, caller: Caller) -> Result<Tx> {
        self.store()?.begin_as(caller).await
    }

    /// Commits a change. When this returns, no replica known to be alive serves the old state, provided that they all
    /// acknowledge in time.
    ///
    /// # Errors
    /// If the connection breaks during the commit, it is unknown whether the change was made.
    pub async fn commit(&self, tx: Tx) -> Result<()> {
        self.settle(tx.commit_links().await?).await;
        Ok(())
    }

    /// Invalidates the cached links that a change is about, here and, by waiting for them, in the other replicas.
    pub async fn settle(&self, Committed { changes, receipt }: Committed) {
        self.cache.forget(&changes);
        if let Some(receipt) = receipt {
            let started = Instant::now();
            let in_time = receipt.wait(ACKNOWLEDGED_WITHIN).await;
            self.metrics.acknowledged(started.elapsed(), in_time);
        }
    }

    /// The use of the connection pool.
    pub fn pool_use(&self) -> PoolUse {
        self.0.store.pool_use()
    }

    /// The other replicas; the embedded database has none.
    pub fn peers(&self) -> Option<&Peers> {
        self.0.store.peers()
    }

    /// Replicas at work, this one included.
    pub fn live_replicas(&self) -> u32 {
        let others = self.peers().map_or(0, Peers::count);
        u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1)
    }

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
    /// Takes `key`; none if it is taken already.
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
