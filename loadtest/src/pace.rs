//! When visits are due at a given rate, however long earlier ones took. Latency measured from then shows what a visitor
//! would have waited, also while every user was busy. While users start, only their part of the rate is due.

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
    starting: f64,
    given: AtomicU64,
}

impl Pace {
    /// `rate` visits a second from `starting` after the first one on, until then evenly more and more.
    pub fn new(rate: u32, starting: Duration) -> Self {
        let (rate, starting) = (f64::from(rate), starting.as_secs_f64());
        Self { started: OnceLock::new(), rate, starting, given: AtomicU64::new(0) }
    }

    /// When the next visit is due; in the past if users cannot keep up.
    pub fn next_due(&self) -> Instant {
        let nth = self.given.fetch_add(1, Ordering::Relaxed);
        *self.started.get_or_init(Instant::now) + Duration::from_secs_f64(self.seconds_until(nth as f64))
    }

    fn seconds_until(&self, nth: f64) -> f64 {
        // While users start the rate grows evenly, which makes half as many visits as the full rate.
        if nth < self.rate * self.starting / 2.0 {
            (2.0 * nth * self.starting / self.rate).sqrt()
        } else {
            nth / self.rate + self.starting / 2.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn visits_are_due_at_the_rate_with_any_number_of_users() {
        let pace = Pace::new(100, Duration::ZERO);
        let due: Vec<Instant> = (0..101).map(|_| pace.next_due()).collect();
        assert_eq!(due[100] - due[0], Duration::from_secs(1));
        assert_eq!(due[51] - due[50], Duration::from_millis(10));
    }

    #[tokio::test]
    async fn fewer_visits_are_due_while_users_come() {
        let pace = Pace::new(100, Duration::from_secs(4));
        let due: Vec<Instant> = (0..301).map(|_| pace.next_due()).collect();
        // Half of the rate after two of four seconds, on average a quarter until then.
        assert_eq!(due[50] - due[0], Duration::from_secs(2));
        assert_eq!(due[200] - due[0], Duration::from_secs(4));
        assert_eq!(due[300] - due[0], Duration::from_secs(5));
        assert!(due.is_sorted());
    }
}
