//! Titles for links that were created without one: read from the target after the client has its answer.
//!
//! Promises: creating a link waits for none of this; the queue and concurrent requests are bounded, the excess is
//! dropped and counted; a title that a client sets first stays. Leaves out: retries, and links that come in bulk.
//! What is queued when the process ends is dropped, so a link may stay without a title.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    guard::{Guard, SystemNames, TIME_LIMIT},
    html,
};
use crate::{
    db::{Store, StoreError},
    domain::{Clock, TargetPolicy, TargetUrl, Title, UrlId},
};

/// Links in the queue at most.
const QUEUE: usize = 256;
/// Concurrent requests to targets.
const AT_ONCE: usize = 4;
/// Timeout for storing a title.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// How many look-ups ended how.
#[derive(Debug, Default)]
pub struct TitleCounts {
    given: AtomicU64,
    without: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// The sending end of the queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Titles {
    orders: Option<mpsc::Sender<Order>>,
    counts: Arc<TitleCounts>,
}

/// The receiving end: fetches titles and stores them.
#[derive(Debug)]
pub struct TitleWorker {
    orders: mpsc::Receiver<Order>,
    counts: Arc<TitleCounts>,
}

/// A link without a title.
#[derive(Debug)]
struct Order {
    id: UrlId,
    target: TargetUrl,
}

/// A bounded queue.
pub fn channel() -> (Titles, TitleWorker) {
    let (sender, orders) = mpsc::channel(QUEUE);
    let counts = Arc::<TitleCounts>::default();
    (Titles { orders: Some(sender), counts: Arc::clone(&counts) }, TitleWorker { orders, counts })
}

impl Titles {
    /// Looks nothing up.
    pub fn off() -> Self {
        Self { orders: None, counts: Arc::default() }
    }

    /// Queues a link that has no title. Never waits: if the queue is full the link stays without.
    pub fn look_up(&self, id: UrlId, target: &TargetUrl) {
        let Some(orders) = &self.orders else { return };
        if orders.try_send(Order { id, target: target.clone() }).is_err() {
            TitleCounts::add(&self.counts.dropped);
        }
    }

    /// How many look-ups ended how.
    pub fn counts(&self) -> &TitleCounts {
        &self.counts
    }
}

impl TitleWorker {
    /// Works until `stop`, then finishes what it has begun, or is cut off by `give_up`.
    pub async fn run(
        mut self,
        store: Store,
        policy: TargetPolicy,
        clock: Clock,
        stop: CancellationToken,
        give_up: CancellationToken,
    ) {
        let seeker = Arc::new(Seeker { guard: Guard::new(policy, SystemNames), store, clock, counts: self.counts });
        let mut at_work = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = at_work.join_next() => {}
                order = self.orders.recv(), if at_work.len() < AT_ONCE => {
                    let Some(order) = order else { break };
                    at_work.spawn(Arc::clone(&seeker).settle(order));
                }
            }
        }
        self.orders.close();
        while self.orders.try_recv().is_ok() {
            TitleCounts::add(&seeker.counts.dropped);
        }
        let finished = async { while at_work.join_next().await.is_some() {} };
        if give_up.run_until_cancelled(timeout(TIME_LIMIT + STORE_WITHIN, finished)).await.is_none() {
            tracing::debug!("titles that were being looked up were given up");
        }
        at_work.shutdown().await;
    }
}

/// Fetches and stores one title.
struct Seeker {
    guard: Guard,
    store: Store,
    clock: Clock,
    counts: Arc<TitleCounts>,
}

impl Seeker {
    async fn settle(self: Arc<Self>, order: Order) {
        let counts = &self.counts;
        let page = match self.guard.page(&order.target).await {
            Ok(page) => page,
            Err(error) => {
                // Neither path nor query: they may hold secrets of the link's owner.
                tracing::debug!(url.id = %order.id, %error, "could not look up the title of a target");
                return TitleCounts::add(&counts.failed);
            }
        };
        // Off the threads that serve requests: a page of the largest size takes milliseconds.
        let read = spawn_blocking(move || html::title(&page.bytes, page.charset.as_deref())).await;
        let Some(title) = read.ok().flatten() else { return TitleCounts::add(&counts.without) };
        match timeout(STORE_WITHIN, self.store(&order, title)).await {
            Ok(Ok(true)) => TitleCounts::add(&counts.given),
            Ok(Ok(false)) => TitleCounts::add(&counts.without),
            Ok(Err(error)) => {
                tracing::debug!(url.id = %order.id, %error, "could not store the title of a target");
                TitleCounts::add(&counts.failed);
            }
            Err(_) => TitleCounts::add(&counts.failed),
        }
    }

    async fn store(&self, order: &Order, title: Title) -> Result<bool, StoreError> {
        let give = || self.store.give_title(order.id, &order.target, &title, self.clock.now());
        match give().await {
            Err(StoreError::IdsTaken) => {
                self.store.mend_sequences().await?;
                give().await
            }
            given => given,
        }
    }
}

impl TitleCounts {
    fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Look-ups by outcome: the title was stored; the page has none, or the link has one by now; no page, or no
    /// database; dropped, because the queue was full or the process ended.
    pub fn by_outcome(&self) -> [(&'static str, u64); 4] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("given", read(&self.given)),
            ("without", read(&self.without)),
            ("failed", read(&self.failed)),
            ("dropped", read(&self.dropped)),
        ]
    }
}
