//! A run in numbers, as report.json holds it.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use serde::Serialize;

use crate::{
    clicks::Clicks,
    figures::Figures,
    options::Options,
    recorder::{Kind, Measured, Tally},
    thresholds::{self, Verdict},
};

/// A run in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The deployment's address.
    pub host: String,
    /// Concurrent users.
    pub users: u32,
    /// Milliseconds that they waited after each step.
    pub think_ms: u32,
    /// Visits due per second, if a rate was given.
    pub rate: Option<u32>,
    /// Seconds that the load lasted, the start of the users included.
    pub seconds: f64,
    /// All requests.
    pub total: Figures,
    /// Those of the seconds in which every user was active.
    pub steady: Steady,
    /// By kind.
    pub kinds: BTreeMap<Kind, Figures>,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Second by second.
    pub over_time: Vec<Figures>,
    /// Clicks made and counted; none if the statistics did not answer.
    pub clicks: Option<Clicks>,
    /// What was demanded, and whether it was met.
    pub verdicts: Vec<Verdict>,
}

/// Requests of some seconds, counted from the start.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Steady {
    /// The first of these seconds.
    pub from: usize,
    /// The first one after them.
    pub to: usize,
    /// The requests.
    #[serde(flatten)]
    pub figures: Figures,
}

impl Summary {
    /// Sums up a run, and judges it.
    pub fn new(options: &Options, measured: &Measured, lasted: Duration, clicks: Option<Clicks>) -> Self {
        let seconds = lasted.as_secs_f64();
        let figures = |tally: &Tally| Figures::of(tally, seconds);
        let Range { start: from, end: to } = options.steady();
        let to = to.min(measured.seconds.len());
        let from = from.min(to);
        let steady = Figures::of(&measured.during(from..to), (to - from) as f64);
        let total = figures(&measured.total());
        Self {
            host: options.host.clone(),
            users: options.users,
            think_ms: options.think_ms,
            rate: options.rate,
            seconds,
            total,
            steady: Steady { from, to, figures: steady },
            kinds: measured.kinds.iter().map(|(kind, tally)| (*kind, figures(tally))).collect(),
            errors: measured.errors.iter().map(|(error, seconds)| (error.clone(), seconds.values().sum())).collect(),
            over_time: measured.seconds.iter().map(|tally| Figures::of(tally, 1.0)).collect(),
            clicks,
            verdicts: thresholds::judge(options, &total, clicks),
        }
    }

    /// Whether everything that was demanded was met.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.met)
    }
}
