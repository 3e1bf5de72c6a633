//! What a connection does: whether a request is at work on it, and since when none is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// In place of a time: a request is at work.
const AT_WORK: u64 = u64::MAX;

/// What a connection does.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    /// Since when the connection is idle, in milliseconds from `started`, or [`AT_WORK`].
    idle_since: AtomicU64,
    requests: AtomicUsize,
    lenient: AtomicBool,
}

/// A request at work, from the end of its head until this is dropped with its answer.
#[derive(Debug)]
pub(super) struct Working(Arc<Activity>);

impl Activity {
    /// Of a connection that has just been accepted; times count from `started`.
    pub(super) fn new(started: Instant) -> Self {
        let activity = Self {
            started,
            idle_since: AtomicU64::default(),
            requests: AtomicUsize::default(),
            lenient: AtomicBool::default(),
        };
        activity.rest();
        activity
    }

    /// A head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> Working {
        self.idle_since.store(AT_WORK, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(self))
    }

    /// How many heads were complete so far.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether no request is at work.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since.load(Ordering::Relaxed) != AT_WORK
    }

    /// For how long no request is at work; none while one is.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let since = self.idle_since.load(Ordering::Relaxed);
        (since != AT_WORK).then(|| self.started.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    /// Notes that the next request's target came with bytes that were replaced.
    pub(super) fn note_lenient(&self) {
        self.lenient.store(true, Ordering::Relaxed);
    }

    /// Whether that was noted, once.
    pub(super) fn take_lenient(&self) -> bool {
        self.lenient.load(Ordering::Relaxed) && self.lenient.swap(false, Ordering::Relaxed)
    }

    fn rest(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(AT_WORK - 1);
        self.idle_since.store(now, Ordering::Relaxed);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.rest();
    }
}
