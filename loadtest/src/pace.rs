//! When visits are due, where a rate is given: the n-th is due n / rate after the start, however long those before it took.
//! A latency measured from then shows what a visitor would have waited, also while every user was busy.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Hands out the times at which visits are due.
#[derive(Debug)]
pub struct Pace {
    started: OnceLock<Instant>,
    rate: f64,
    given: AtomicU64,
}

impl Pace {
    /// `rate` visits a second, from the first one on.
    pub fn new(rate: u32) -> Self {
        Self { started: OnceLock::new(), rate: f64::from(rate), given: AtomicU64::new(0) }
    }

    /// When the next visit is due, in the past where users cannot keep up.
    pub fn next_due(&self) -> Instant {
        let nth = self.given.fetch_add(1, Ordering::Relaxed);
        *self.started.get_or_init(Instant::now) + Duration::from_secs_f64(nth as f64 / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn visits_are_due_at_the_rate_whoever_takes_them() {
        let pace = Pace::new(100);
        let due: Vec<Instant> = (0..101).map(|_| pace.next_due()).collect();
        assert_eq!(due[100] - due[0], Duration::from_secs(1));
        assert_eq!(due[51] - due[50], Duration::from_millis(10));
    }
}
