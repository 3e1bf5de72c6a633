//! Cached links: bounded, unknown codes included, one query for however many wait, and gone when they change.

use std::{sync::Arc, time::Duration};

use buoy::{
    cache::{CacheSettings, LinkCache, sync::CacheSync},
    db::{Store, StoreSettings},
    domain::{Caller, Clock, EmailAddress, NewUrl, NewUser, ShortCode, TargetUrl, UrlChanges, UrlId, UserId, Username},
    fleet::{Availability, Monitor, Observer as _},
};

/// Longer than a cache distrusts itself after it began to hear of changes.
const SETTLED: Duration = Duration::from_millis(350);

struct World {
    store: Store,
    availability: Availability,
    cache: Arc<LinkCache>,
    _monitor: Monitor,
    _folder: tempfile::TempDir,
}

impl World {
    /// A database with one link, `there`, and a cache that hears of changes.
    async fn new(capacity: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("buoy.db").display()).parse().unwrap();
        let settings = StoreSettings { wait: Duration::from_secs(5), ..StoreSettings::of(url) };
        let store = Store::open(&settings).await.unwrap();
        add_link(&store).await;
        let stale_if_error = Duration::from_secs(3_600);
        let settings = CacheSettings { capacity, stale_if_error };
        let cache = Arc::new(LinkCache::new(settings, 64));
        let sync = Arc::new(CacheSync::new(Arc::clone(&cache), "one".to_owned(), || "{}".to_owned()));
        sync.connected();
        tokio::time::sleep(SETTLED).await;
        let (monitor, availability) = Monitor::new(&store, sync);
        Self { store, availability, cache, _monitor: monitor, _folder: folder }
    }

    async fn target(&self, code: &str) -> Option<String> {
        let code = ShortCode::parse(code).unwrap();
        let link = self.cache.link(&code, &self.store, &self.availability).await.unwrap();
        link.map(|link| link.original_url.to_string())
    }

    async fn change(&self, target: &str) {
        let changes = UrlChanges { original_url: Some(TargetUrl::parse(target).unwrap()), ..UrlChanges::default() };
        let updated = self.store.update_url(Caller::Open, UrlId(1), &changes, Clock::system().now()).await.unwrap();
        let (_, committed) = updated.unwrap();
        self.cache.forget(&committed.changes);
    }
}

async fn add_link(store: &Store) {
    let now = Clock::system().now();
    let mut tx = store.begin().await.unwrap();
    let user = NewUser { username: Username::parse("ann").unwrap(), email: EmailAddress::parse("a@b.c").unwrap() };
    tx.create_user(&user, now).await.unwrap();
    let original_url = TargetUrl::parse("https://example.com/1").unwrap();
    let short_code = Some(ShortCode::parse("there").unwrap());
    tx.create_url(&NewUrl { user_id: UserId(1), original_url, title: None, short_code }, now).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_link_is_read_once() {
    let world = World::new(100).await;
    for _ in 0..10 {
        assert_eq!(world.target("there").await.as_deref(), Some("https://example.com/1"));
    }
    assert_eq!((world.cache.counts().reads(), world.cache.counts().hits()), (1, 9));
}

#[tokio::test]
async fn a_change_is_seen_at_once() {
    let world = World::new(100).await;
    assert_eq!(world.target("there").await.as_deref(), Some("https://example.com/1"));
    for version in 2..50 {
        let target = format!("https://example.com/{version}");
        world.change(&target).await;
        assert_eq!(world.target("there").await, Some(target));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_wait_for_one_code_cost_one_query() {
    let world = Arc::new(World::new(100).await);
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.target("there").await })
        })
        .collect();
    for waiting in waiting {
        assert!(waiting.await.unwrap().is_some());
    }
    // One if no reader came late; a late one finds the link cached.
    assert_eq!(world.cache.counts().reads(), 1);
}

#[tokio::test]
async fn a_scan_of_unknown_codes_stays_within_bounds_and_costs_no_query_twice() {
    let world = World::new(1_000).await;
    for n in 0..5_000 {
        assert_eq!(world.target(&format!("no-{n}")).await, None);
        assert!(world.cache.len() <= 1_000, "{} entries", world.cache.len());
    }
    assert_eq!(world.cache.counts().reads(), 5_000);
    for _ in 0..3 {
        for n in 4_900..5_000 {
            assert_eq!(world.target(&format!("no-{n}")).await, None);
        }
    }
    let again = world.cache.counts().reads() - 5_000;
    assert!(again <= 100, "{again} queries for 300 look-ups of 100 codes just seen");
}

#[tokio::test]
async fn long_targets_take_the_place_of_several() {
    let world = World::new(10).await;
    let long = format!("https://example.com/{}", "x".repeat(7_000));
    world.change(&long).await;
    assert_eq!(world.target("there").await, Some(long));
    assert_eq!(world.cache.len(), 0, "more than the whole cache may hold is not kept");
}

#[tokio::test]
async fn cut_off_from_changes_an_entry_is_asked_for_again_after_a_second() {
    let world = World::new(100).await;
    world.target("there").await;
    let sync = CacheSync::new(Arc::clone(&world.cache), "one".to_owned(), || "{}".to_owned());
    sync.cut_off();
    world.target("there").await;
    assert_eq!(world.cache.counts().reads(), 1, "within the second");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    world.target("there").await;
    assert_eq!(world.cache.counts().reads(), 2);
    sync.connected();
    assert!(world.cache.is_empty(), "any change may have been missed");
}

#[tokio::test]
async fn a_process_that_was_stopped_does_not_trust_its_memory() {
    let world = World::new(100).await;
    world.target("there").await;
    // The subscription was not confirmed for this long, as when the process was stopped.
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    world.target("there").await;
    assert_eq!(world.cache.counts().reads(), 2);
}
