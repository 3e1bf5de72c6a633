//! What was measured: every request, failed ones too, by kind and by second.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Following an active link.
    Visit,
    /// Following a code that no link has.
    Unknown,
    /// Following a link that is not active.
    Inactive,
    /// Creating a link.
    Create,
    /// Listing links.
    List,
    /// Giving a link another target.
    Update,
    /// Following a link whose target was just changed.
    Changed,
    /// Deleting a link.
    Delete,
}

/// Latencies in microseconds, up to two minutes, to two digits.
pub type Latencies = Histogram<u32>;

/// Requests of one kind.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Answered or not.
    pub requests: u64,
    /// Not answered, or not as it should be.
    pub failed: u64,
    /// How long each took.
    pub latencies: Latencies,
}

/// Everything that was measured up to now.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// By what the requests were for.
    pub kinds: BTreeMap<Kind, Tally>,
    /// By the second in which they ended, since the start.
    pub seconds: Vec<Tally>,
    /// What went wrong, how often in each second.
    pub errors: BTreeMap<String, BTreeMap<usize, u64>>,
}

/// Takes down requests as they end.
#[derive(Debug)]
pub struct Recorder {
    started: Instant,
    measured: Mutex<Measured>,
}

impl Default for Tally {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants, and sound")]
        let latencies = Histogram::new_with_bounds(1, 120_000_000, 2).expect("the bounds are sound");
        Self { requests: 0, failed: 0, latencies }
    }
}

impl Tally {
    /// Counts a request.
    pub fn add(&mut self, took: Duration, failed: bool) {
        self.requests += 1;
        self.failed += u64::from(failed);
        self.latencies.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// The time in milliseconds that this share of the requests took at most.
    pub fn ms(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1_000.0
    }
}

impl Measured {
    /// All requests together.
    pub fn total(&self) -> Tally {
        Self::sum(self.kinds.values())
    }

    /// The requests of these seconds together.
    pub fn during(&self, seconds: Range<usize>) -> Tally {
        Self::sum(self.seconds.get(seconds).into_iter().flatten())
    }

    fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
        let mut total = Tally::default();
        for tally in tallies {
            total.requests += tally.requests;
            total.failed += tally.failed;
            // Both have the same bounds.
            total.latencies.add(&tally.latencies).ok();
        }
        total
    }
}

impl Recorder {
    /// Nothing measured yet, time running from now.
    pub fn new() -> Self {
        Self { started: Instant::now(), measured: Mutex::default() }
    }

    /// Takes down a request that ended now, and was due at `due`.
    pub fn record(&self, kind: Kind, due: Instant, error: Option<&str>) {
        let now = Instant::now();
        let second = usize::try_from((now - self.started).as_secs()).unwrap_or(usize::MAX);
        let took = now.saturating_duration_since(due);
        let mut measured = self.lock();
        measured.kinds.entry(kind).or_default().add(took, error.is_some());
        if measured.seconds.len() <= second {
            measured.seconds.resize_with(second + 1, Tally::default);
        }
        measured.seconds[second].add(took, error.is_some());
        if let Some(error) = error {
            *measured.errors.entry(error.to_owned()).or_default().entry(second).or_default() += 1;
        }
    }

    /// What was measured up to now.
    pub fn measured(&self) -> Measured {
        self.lock().clone()
    }

    /// What was measured in the last whole second, and how many seconds have passed.
    pub fn last_second(&self) -> (u64, Tally) {
        let second = self.started.elapsed().as_secs();
        let index = usize::try_from(second.saturating_sub(1)).unwrap_or(usize::MAX);
        (second, self.lock().seconds.get(index).cloned().unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failed_requests_count_in_the_percentiles_from_when_they_were_due() {
        let recorder = Recorder::new();
        let long_ago = Instant::now() - Duration::from_secs(5);
        (0..90).for_each(|_| recorder.record(Kind::Visit, Instant::now(), None));
        (0..10).for_each(|_| recorder.record(Kind::Create, long_ago, Some("status 503")));
        let total = recorder.measured().total();
        assert_eq!((total.requests, total.failed), (100, 10));
        assert!(total.ms(0.5) < 1_000.0, "{}", total.ms(0.5));
        assert!(total.ms(0.95) > 4_900.0, "{}", total.ms(0.95));
        assert_eq!(recorder.measured().errors["status 503"].values().sum::<u64>(), 10);
    }
}
