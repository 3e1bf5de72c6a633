//! Requests in numbers.

use serde::Serialize;

use crate::recorder::Tally;

/// Requests in numbers; times in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Answered or not.
    pub requests: u64,
    /// Not answered, or not as it should be.
    pub failed: u64,
    /// Per second.
    pub per_second: f64,
    /// The mean.
    pub mean_ms: f64,
    /// The median.
    pub p50_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Figures {
    /// The figures of what was counted over `seconds`.
    pub fn of(tally: &Tally, seconds: f64) -> Self {
        Self {
            requests: tally.requests,
            failed: tally.failed,
            per_second: tally.requests as f64 / seconds.max(0.001),
            mean_ms: tally.latencies.mean() / 1_000.0,
            p50_ms: tally.ms(0.5),
            p95_ms: tally.ms(0.95),
            p99_ms: tally.ms(0.99),
            max_ms: tally.ms(1.0),
        }
    }
}
