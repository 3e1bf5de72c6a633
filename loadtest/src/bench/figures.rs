//! The benchmark's result: medians, ratios, and what they are worth.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{client::Outcome, plan::Counted};

/// One round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Round {
    /// Requests per second of the bare handler.
    pub bare: f64,
    /// Redirects per second of one replica.
    pub buoy: f64,
    /// The bare handler behind Nginx.
    pub bare_proxied: f64,
    /// Three replicas behind Nginx.
    pub proxied: f64,
    /// Redirects that were answered.
    pub redirects: u64,
    /// Clicks that were stored.
    pub stored: u64,
    /// Requests that failed, in all phases.
    pub failed: u64,
    /// Processor time of replica, PostgreSQL and Nginx for each redirect of one replica, in microseconds.
    pub direct_cpu_us: [f64; 3],
    /// The same behind Nginx.
    pub proxied_cpu_us: [f64; 3],
    /// The most memory of a replica, in MiB, its click queue included.
    pub resident_mib: f64,
    /// The 95th percentile of one replica's redirects, in milliseconds.
    pub buoy_p95_ms: f64,
}

/// The result of the benchmark.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// The commit that was measured.
    pub commit: String,
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Links created per second.
    pub create_per_second: f64,
    /// Links read per second.
    pub read_per_second: f64,
    /// Lists of 50 links per second.
    pub list_per_second: f64,
    /// Times from start to ready, in milliseconds.
    pub starts_ms: Vec<f64>,
}

impl Round {
    /// Puts a round together.
    pub fn new(bare: &Outcome, buoy: Counted, bare_proxied: &Outcome, proxied: Counted) -> Self {
        let outcomes = [bare, &buoy.outcome, bare_proxied, &proxied.outcome];
        Self {
            bare: bare.per_second(),
            buoy: buoy.outcome.per_second(),
            bare_proxied: bare_proxied.per_second(),
            proxied: proxied.outcome.per_second(),
            redirects: buoy.outcome.answered() + proxied.outcome.answered(),
            stored: buoy.stored + proxied.stored,
            failed: outcomes.into_iter().map(|outcome| outcome.tally.failed).sum(),
            direct_cpu_us: buoy.cpu_us,
            proxied_cpu_us: proxied.cpu_us,
            resident_mib: buoy.resident_mib.max(proxied.resident_mib),
            buoy_p95_ms: buoy.outcome.tally.ms(0.95),
        }
    }

    /// Whether each redirect left a click, and no request failed.
    pub fn counts(&self) -> bool {
        self.redirects == self.stored && self.failed == 0
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bare {:.0}/s, buoy {:.0}/s ({:.2}); behind Nginx {:.0}/s and {:.0}/s ({:.2}); {} redirects, {} clicks, {} failed{}",
            self.bare,
            self.buoy,
            self.buoy / self.bare,
            self.bare_proxied,
            self.proxied,
            self.proxied / self.bare_proxied,
            self.redirects,
            self.stored,
            self.failed,
            if self.counts() { "" } else { ": DOES NOT COUNT" }
        )
    }
}

impl Figures {
    /// The median of something over the rounds that count.
    pub fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().filter(|round| round.counts()).map(of).collect())
    }

    /// Whether every round counts.
    pub fn valid(&self) -> bool {
        !self.rounds.is_empty() && self.rounds.iter().all(Round::counts)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = |of: fn(&Round) -> f64| self.median(of);
        writeln!(f, "commit                      {}", self.commit)?;
        writeln!(f, "(a) bare handler            {:>9.0} /s", m(|r| r.bare))?;
        writeln!(f, "(b) buoy, clicks stored     {:>9.0} /s", m(|r| r.buoy))?;
        writeln!(f, "    b/a                     {:>9.2}     goal 0.60", m(|r| r.buoy / r.bare))?;
        writeln!(f, "(c) bare behind Nginx       {:>9.0} /s", m(|r| r.bare_proxied))?;
        writeln!(f, "    buoy behind Nginx       {:>9.0} /s", m(|r| r.proxied))?;
        writeln!(f, "    ratio                   {:>9.2}     goal 0.90", m(|r| r.proxied / r.bare_proxied))?;
        writeln!(f, "(d) links created           {:>9.0} /s", self.create_per_second)?;
        writeln!(f, "(e) one link read           {:>9.0} /s", self.read_per_second)?;
        writeln!(f, "    50 links listed         {:>9.0} /s", self.list_per_second)?;
        writeln!(
            f,
            "memory of a replica         {:>9.1} MiB goal 40, its click queue included here",
            m(|r| r.resident_mib)
        )?;
        writeln!(f, "start to ready              {:>9.0} ms  goal 150", median(self.starts_ms.clone()))?;
        writeln!(
            f,
            "CPU per redirect: replica   {:>9.1} us, PostgreSQL {:.1} us",
            m(|r| r.direct_cpu_us[0]),
            m(|r| r.direct_cpu_us[1])
        )?;
        let count = |of: fn(&Round) -> u64| self.rounds.iter().map(of).sum::<u64>();
        writeln!(
            f,
            "redirects {}, clicks stored {}, failed {}",
            count(|r| r.redirects),
            count(|r| r.stored),
            count(|r| r.failed)
        )
    }
}

/// The middle of values, 0 where there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_with_a_click_too_few_does_not_count() {
        let good = Round { bare: 10.0, redirects: 5, stored: 5, ..Round::default() };
        let bad = Round { bare: 1e9, redirects: 5, stored: 4, ..Round::default() };
        let figures = Figures { rounds: vec![good, bad, good], ..Figures::default() };
        assert!(!figures.valid());
        assert!((figures.median(|round| round.bare) - 10.0).abs() < 1e-9);
        assert!(!Round { failed: 1, ..good }.counts());
    }
}
