//! A run in numbers, as report.json holds it.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use serde::Serialize;

use crate::{
    clicks::Clicks,
    options::Options,
    recorder::{Kind, Measured, Tally},
    thresholds::{self, Verdict},
};

/// A run in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Where the load went.
    pub host: String,
    /// Users at once.
    pub users: u32,
    /// Milliseconds that they waited after each step.
    pub think_ms: u32,
    /// Visits due per second, where a rate was given.
    pub rate: Option<u32>,
    /// Seconds that the load lasted, the start of the users included.
    pub seconds: f64,
    /// All requests.
    pub total: Figures,
    /// Those of the seconds in which every user was there.
    pub steady: Steady,
    /// By what they were for.
    pub kinds: BTreeMap<Kind, Figures>,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Second by second.
    pub over_time: Vec<Figures>,
    /// For how long the processors of this machine worked in each second, in seconds; empty where the deployment is elsewhere.
    pub busy: Vec<f64>,
    /// Clicks made and counted; none where they could not be asked for.
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

impl Summary {
    /// Sums up a run, and judges it.
    pub fn new(options: &Options, measured: &Measured, lasted: Duration, clicks: Option<Clicks>) -> Self {
        let seconds = lasted.as_secs_f64();
        let figures = |tally: &Tally| Figures::of(tally, seconds);
        let Range { start: from, end: to } = options.steady();
        let to = to.min(measured.seconds.len());
        let from = from.min(to);
        let steady = Figures::of(&measured.during(from..to), (to - from) as f64);
        let mut summary = Self {
            host: options.host.clone(),
            users: options.users,
            think_ms: options.think_ms,
            rate: options.rate,
            seconds,
            total: figures(&measured.total()),
            steady: Steady { from, to, figures: steady },
            kinds: measured.kinds.iter().map(|(kind, tally)| (*kind, figures(tally))).collect(),
            errors: measured.errors.iter().map(|(error, seconds)| (error.clone(), seconds.values().sum())).collect(),
            over_time: measured.seconds.iter().map(|tally| Figures::of(tally, 1.0)).collect(),
            busy: measured.busy.clone(),
            clicks,
            verdicts: Vec::new(),
        };
        summary.verdicts = thresholds::judge(options, &summary);
        summary
    }

    /// Whether everything that was demanded was met.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.met)
    }
}
