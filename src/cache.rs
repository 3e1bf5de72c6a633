//! Cached links: short code → link, unknown codes included, so that a redirect seldom asks the database.
//!
//! Promises: bounded memory; one query for however many wait for the same code; what was read before a change is
//! never kept after it; an entry is asked for again after its time, which reading does not extend; past its time it is
//! served only while the database cannot be reached. Leaves out: how changes are heard of, see [`sync`].

pub mod sync;

mod shard;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{Weighter, sync::Cache};
use tokio::{sync::Semaphore, time::Instant};

use self::shard::{Fill, Shard};
use crate::{
    db::{Changes, Store, StoreError},
    domain::ShortCode,
    fleet::Availability,
    store::Link,
};

/// Bytes that an entry of ordinary size takes, keys and bookkeeping included; a longer target takes the place of
/// several.
const ENTRY_BYTES: u64 = 512;
const SHARDS: usize = 64;
/// An entry is checked again after this long, although the listener would tell of its changes.
const TTL: Duration = Duration::from_secs(60);
/// While changes are not received, this is the TTL of an entry. The embedded database always counts as
/// that: another process, an import say, may write to its file.
const CUT_OFF_TTL: Duration = Duration::from_secs(1);
/// Without a confirmed heartbeat for this long, the cache counts as cut off from changes.
const HEARD_WITHIN: Duration = Duration::from_millis(1_500);
/// After the subscription is back, the cache is bypassed for this long: the other replicas have yet to learn that
/// they must wait for this one.
const SETTLING: Duration = Duration::from_millis(300);
/// The timeout of a read; then the stale entry is served, or 503.
const FILL_LIMIT: Duration = Duration::from_millis(900);

/// How links are cached.
#[derive(Debug, Clone, Copy)]
pub struct CacheSettings {
    /// Links of ordinary size at most.
    pub capacity: u64,
    /// How long after its last check an entry is served while the database cannot be reached.
    pub stale_if_error: Duration,
}

/// What a code was found to be, and when.
#[derive(Debug, Clone)]
struct Entry {
    link: Option<Arc<Link>>,
    checked: Instant,
}

/// How many look-ups ended how.
#[derive(Debug, Default)]
pub struct CacheCounts {
    hits: AtomicU64,
    misses: AtomicU64,
    reads: AtomicU64,
    shed: AtomicU64,
    stale: AtomicU64,
    dropped: AtomicU64,
    oldest_hit_ms: AtomicU64,
}

/// Cached links.
pub struct LinkCache {
    entries: Cache<ShortCode, Entry, ByBytes>,
    shards: [Mutex<Shard>; SHARDS],
    reads: Semaphore,
    hasher: RandomState,
    settings: CacheSettings,
    trust: Mutex<Trust>,
    counts: CacheCounts,
}

/// How far memory can be trusted.
#[derive(Debug, Clone, Copy)]
enum Trust {
    /// Changes are not heard of.
    CutOff,
    /// Changes are heard of.
    Connected {
        /// Since when.
        since: Instant,
        /// When that was last certain: a process that was stopped for a while does not know what it missed.
        heard: Instant,
    },
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<ShortCode, Entry> for ByBytes {
    fn weight(&self, code: &ShortCode, entry: &Entry) -> u64 {
        let target = entry.link.as_ref().map_or(0, |link| {
            let reason = link.disabled_reason.as_ref().map_or(0, |reason| reason.as_str().len());
            link.original_url.as_str().len() + reason
        });
        // What an entry of ordinary size has room for besides its bookkeeping.
        let beyond = (code.as_str().len() + target).saturating_sub(200);
        ENTRY_BYTES + beyond as u64
    }
}

impl LinkCache {
    /// An empty cache, cut off until it is told otherwise, which reads this many codes concurrently at most.
    pub fn new(settings: CacheSettings, reads: usize) -> Self {
        let items = usize::try_from(settings.capacity).unwrap_or(usize::MAX);
        let bytes = settings.capacity.saturating_mul(ENTRY_BYTES);
        Self {
            entries: Cache::with_weighter(items, bytes, ByBytes),
            shards: std::array::from_fn(|_| Mutex::default()),
            reads: Semaphore::new(reads.min(Semaphore::MAX_PERMITS)),
            hasher: RandomState::new(),
            settings,
            trust: Mutex::new(Trust::CutOff),
            counts: CacheCounts::default(),
        }
    }

    /// The link of this code, from memory or from the database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be reached, [`StoreError::Overloaded`] if too much is
    /// read already, and no entry fit to serve is cached.
    pub async fn link(
        &self,
        code: &ShortCode,
        store: &Store,
        availability: &Availability,
    ) -> Result<Option<Arc<Link>>, Arc<StoreError>> {
        let entry = self.entries.get(code);
        let now = Instant::now();
        let age = |entry: &Entry| now.saturating_duration_since(entry.checked);
        if let Some(entry) = entry.as_ref().filter(|entry| age(entry) < self.usable_for(now)) {
            self.counts.hit(age(entry));
            return Ok(entry.link.clone());
        }
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
        let failure = match self.ask(code, store, availability).await {
            Ok(link) => return Ok(link),
            Err(failure) => failure,
        };
        let stale = entry.filter(|entry| entry.checked.elapsed() < self.settings.stale_if_error);
        match (&*failure, stale) {
            (
                StoreError::Unavailable(_) | StoreError::NoChanges(_) | StoreError::Overloaded | StoreError::TooSlow,
                Some(entry),
            ) => {
                self.counts.stale.fetch_add(1, Ordering::Relaxed);
                self.counts.served(entry.checked.elapsed());
                Ok(entry.link)
            }
            _ => Err(failure),
        }
    }

    /// The link of this code if it is in memory, fresh enough and of use to the caller; else nothing is counted.
    pub fn at_hand(&self, code: &str, is_of_use: impl FnOnce(&Link) -> bool) -> Option<Arc<Link>> {
        let entry = self.entries.get(code)?;
        let now = Instant::now();
        let age = now.saturating_duration_since(entry.checked);
        let link = entry.link.filter(|link| age < self.usable_for(now) && is_of_use(link))?;
        self.counts.hit(age);
        Some(link)
    }

    /// Drops what is known of changed links, and what is being read of them.
    pub fn forget(&self, changes: &Changes) {
        match changes {
            Changes::All => self.forget_all(),
            Changes::Codes(codes) => {
                codes.iter().filter_map(|code| ShortCode::parse(code.as_str()).ok()).for_each(|code| {
                    let mut shard = self.shard(&code);
                    shard.forget(&code);
                    self.entries.remove(&code);
                    self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                })
            }
        }
    }

    /// How many look-ups ended how.
    pub fn counts(&self) -> &CacheCounts {
        &self.counts
    }

    /// Entries in memory.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads the code from the database, together with the other waiters.
    async fn ask(
        &self,
        code: &ShortCode,
        store: &Store,
        availability: &Availability,
    ) -> Result<Option<Arc<Link>>, Arc<StoreError>> {
        if let Some(outage) = availability.outage() {
            return Err(Arc::new(StoreError::Unavailable(outage.reason)));
        }
        // The caller that begins a read holds its permit; callers that join it need none.
        let mut place = None;
        let begin = || {
            place = self.reads.try_acquire().ok();
            self.counts.began(place.is_some());
            let (read, has_place) = (read(store.clone(), availability.clone(), code.clone()), place.is_some());
            async move { if has_place { read.await } else { Err(Arc::new(StoreError::Overloaded)) } }
        };
        let fill = self.shard(code).join(code, begin);
        let waiting = Waiting { cache: self, code, fill };
        let result = waiting.fill.future.clone().await;
        self.keep(code, &waiting.fill, &result);
        result
    }

    /// Keeps what was read, unless the link changed during the read.
    fn keep(&self, code: &ShortCode, fill: &Fill, result: &Result<Option<Arc<Link>>, Arc<StoreError>>) {
        let mut shard = self.shard(code);
        if shard.finish(code, fill)
            && let Ok(link) = result
        {
            // Under the shard's lock, so that a change cannot come between the check and this.
            self.entries.insert(code.clone(), Entry { link: link.clone(), checked: fill.started });
        }
    }

    /// How old an entry may be to be served without asking.
    fn usable_for(&self, now: Instant) -> Duration {
        let since = |then: Instant| now.saturating_duration_since(then);
        match *self.trust() {
            Trust::Connected { since: connected, .. } if since(connected) < SETTLING => Duration::ZERO,
            Trust::Connected { heard, .. } if since(heard) < HEARD_WITHIN => TTL,
            Trust::Connected { .. } | Trust::CutOff => CUT_OFF_TTL,
        }
    }

    fn forget_all(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).forget_all();
        }
        self.counts.dropped.fetch_add(self.entries.len() as u64, Ordering::Relaxed);
        // Entries read before a shard forgot and kept after are impossible: its lock decides.
        self.entries.clear();
    }

    fn set_trust(&self, trust: Trust) {
        *self.trust() = trust;
    }

    fn heard_now(&self) {
        if let Trust::Connected { heard, .. } = &mut *self.trust() {
            *heard = Instant::now();
        }
    }

    fn trust(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, code: &ShortCode) -> MutexGuard<'_, Shard> {
        // The remainder is below SHARDS, whatever the width of usize.
        let index = (self.hasher.hash_one(code) % SHARDS as u64) as usize;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that waits for a read, and may leave before its end.
struct Waiting<'a> {
    cache: &'a LinkCache,
    code: &'a ShortCode,
    fill: Fill,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.cache.shard(self.code).leave(self.code, &self.fill);
    }
}

impl CacheCounts {
    fn began(&self, has_place: bool) {
        let count = if has_place { &self.reads } else { &self.shed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn hit(&self, age: Duration) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.served(age);
    }

    fn served(&self, age: Duration) {
        let ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        // A read is cheaper than the write that it mostly saves.
        if ms > self.oldest_hit_ms.load(Ordering::Relaxed) {
            self.oldest_hit_ms.fetch_max(ms, Ordering::Relaxed);
        }
    }

    /// The age of the oldest entry served since this was last asked.
    pub fn take_oldest_hit(&self) -> Duration {
        Duration::from_millis(self.oldest_hit_ms.swap(0, Ordering::Relaxed))
    }

    /// Look-ups answered from memory.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Queries that the database was asked, one for however many look-ups waited for it.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Queries that were not made because too many were under way.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Look-ups that had to wait for the database.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Look-ups answered from memory because the database could not be reached.
    pub fn stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    /// Entries dropped because their link changed.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Reads a link, until the database is known to be away.
async fn read(store: Store, availability: Availability, code: ShortCode) -> Result<Option<Arc<Link>>, Arc<StoreError>> {
    let read = async {
        tokio::select! {
            link = store.link(&code) => link,
            outage = availability.lost() => Err(StoreError::Unavailable(outage.reason)),
        }
    };
    let too_late = || Err(StoreError::Unavailable(format!("no answer within {} ms", FILL_LIMIT.as_millis())));
    let link = tokio::time::timeout(FILL_LIMIT, read).await.unwrap_or_else(|_| too_late());
    link.map(|link| link.map(Arc::new)).map_err(Arc::new)
}
