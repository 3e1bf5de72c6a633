//! What `loadtest` measured, as far as the model reads it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Requests that tell what one costs: processor time is known to a hundredth of a second, and what the system does besides comes and goes.
const ENOUGH: f64 = 5_000.0;

/// A run of `loadtest`: its report.json.
#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    /// Users.
    pub users: u32,
    /// Milliseconds that they thought.
    pub think_ms: u32,
    /// Requests of the seconds in which every user was there.
    pub steady: Steady,
    /// By what they were for.
    pub kinds: BTreeMap<String, Row>,
    /// All requests, second by second.
    pub over_time: Vec<Second>,
    /// For how long processors worked in each second, in seconds.
    pub busy: Vec<f64>,
}

/// The seconds in which every user was there.
#[derive(Debug, Clone, Deserialize)]
pub struct Steady {
    /// The first.
    pub from: usize,
    /// The first one after them.
    pub to: usize,
    /// Their requests.
    #[serde(flatten)]
    pub row: Row,
}

/// A second of a run.
#[derive(Debug, Clone, Deserialize)]
pub struct Second {
    /// Requests answered in it.
    pub requests: u64,
}

/// A row of a run's table, latencies in milliseconds.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// How many.
    pub requests: u64,
    /// Per second.
    pub per_second: f64,
    /// The median.
    pub p50_ms: f64,
    /// The 95th percentile.
    pub p95_ms: f64,
    /// The 99th.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Run {
    /// Requests and processors that worked, for each of the steady seconds: on average over as many seconds as have enough requests to tell
    /// what one costs.
    pub fn seconds(&self) -> Vec<(f64, f64)> {
        let all = self.over_time.iter().zip(&self.busy).map(|(second, busy)| (second.requests as f64, *busy));
        let steady: Vec<_> = all.take(self.steady.to).skip(self.steady.from).collect();
        let together = (ENOUGH / mean(&steady).0.max(1.0)).ceil().max(1.0) as usize;
        steady.chunks(together).flat_map(|seconds| std::iter::repeat_n(mean(seconds), seconds.len())).collect()
    }

    /// Requests a second, and processors that worked, over all steady seconds.
    pub fn mean(&self) -> (f64, f64) {
        mean(&self.seconds())
    }

    /// The row of a kind of requests.
    ///
    /// # Errors
    /// Where there is none.
    pub fn row(&self, kind: &str) -> anyhow::Result<&Row> {
        self.kinds.get(kind).ok_or_else(|| anyhow::anyhow!("no requests of the kind {kind}"))
    }
}

/// The mean of both numbers; 0 where there are none.
fn mean(pairs: &[(f64, f64)]) -> (f64, f64) {
    let (first, second) = pairs.iter().fold((0.0, 0.0), |all, pair| (all.0 + pair.0, all.1 + pair.1));
    let count = f64::max(pairs.len() as f64, 1.0);
    (first / count, second / count)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run in which every kind takes `ms` and `per_second` are visits, a hundredth of them each of the others; processors work for
    /// three milliseconds a request.
    pub(in super::super) fn run(users: u32, think_ms: u32, per_second: f64, ms: f64) -> Run {
        let row = |per_second: f64| Row {
            requests: (per_second * 60.0) as u64,
            per_second,
            p50_ms: ms,
            p95_ms: 2.0 * ms,
            p99_ms: 3.0 * ms,
            max_ms: 4.0 * ms,
        };
        let all = per_second * 1.07;
        let others = ["unknown", "inactive", "create", "list", "update", "changed", "delete"];
        let kinds = others.into_iter().map(|kind| (kind.to_owned(), row(per_second * 0.01)));
        Run {
            users,
            think_ms,
            steady: Steady { from: 2, to: 62, row: row(all) },
            kinds: kinds.chain([("visit".to_owned(), row(per_second))]).collect(),
            over_time: vec![Second { requests: all as u64 }; 64],
            busy: vec![all * 0.003; 64],
        }
    }

    #[test]
    fn seconds_with_few_requests_are_taken_together() {
        let mut run = run(200, 0, 1_000.0, 1.0);
        run.busy[2] = 5.0;
        let seconds = run.seconds();
        assert_eq!(seconds.len(), 60);
        assert_eq!(seconds[0], seconds[4]);
        assert!((seconds[0].1 - (5.0 + 4.0 * 3.21) / 5.0).abs() < 0.01, "{:?}", seconds[0]);
        assert!((run.mean().0 - 1_070.0).abs() < 1.0);
        assert!(run.row("visit").is_ok() && run.row("none").is_err());
    }
}
