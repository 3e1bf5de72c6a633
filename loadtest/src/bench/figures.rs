//! The benchmark's result: rates, the medians of their ratios, and the goals.

use std::fmt;

use serde::Serialize;

/// Requests answered per second by a bare handler and by buoy, in successive phases.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Pair {
    /// The bare handler.
    pub bare: f64,
    /// buoy.
    pub buoy: f64,
}

/// A round of redirects.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Redirects {
    /// Redirects per second.
    #[serde(flatten)]
    pub rates: Pair,
    /// Redirects that buoy answered.
    pub answered: u64,
    /// Clicks that were stored.
    pub stored: u64,
    /// Requests that failed, those to the bare handler included.
    pub failed: u64,
    /// Processor time of replicas, PostgreSQL and Nginx for each redirect of buoy, in microseconds.
    pub cpu_us: [f64; 3],
    /// The most memory of a replica, in MiB, its click queue included.
    pub resident_mib: f64,
}

/// An operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Creates a link.
    Create,
    /// Gives a link another target.
    Change,
    /// Deletes a link.
    Delete,
    /// Reads a link by its id.
    Read,
    /// Lists fifty links.
    List,
}

/// The rounds of an operation.
#[derive(Debug, Clone, Serialize)]
pub struct Operations {
    /// The operation.
    pub operation: Operation,
    /// Operations per second.
    pub rounds: Vec<Pair>,
}

/// The result of the benchmark; parts that were not asked for are empty.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// The commit that was measured.
    pub commit: String,
    /// Rounds of one replica.
    pub alone: Vec<Redirects>,
    /// Rounds of three replicas behind Nginx.
    pub fleet: Vec<Redirects>,
    /// The API of one replica.
    pub api: Vec<Operations>,
    /// Times from start to ready, in milliseconds.
    pub starts_ms: Vec<f64>,
}

impl Pair {
    /// buoy's rate as a part of the bare handler's.
    pub fn ratio(&self) -> f64 {
        self.buoy / self.bare
    }
}

impl Redirects {
    /// Whether each redirect left a click, and no request failed.
    pub fn counts(&self) -> bool {
        self.answered == self.stored && self.failed == 0
    }
}

impl Operation {
    /// The least ratio that is aimed at.
    pub fn goal(self) -> f64 {
        match self {
            Self::Create => 0.60,
            Self::Change | Self::Delete => 0.45,
            Self::Read => 0.90,
            Self::List => 0.75,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::List => "list of 50",
        }
    }
}

impl Figures {
    /// Whether every round of redirects counts.
    pub fn valid(&self) -> bool {
        self.alone.iter().chain(&self.fleet).all(Redirects::counts)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bare {:>6.0}/s, buoy {:>6.0}/s, {:.2}", self.bare, self.buoy, self.ratio())
    }
}

impl fmt::Display for Redirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rates, answered, stored, failed, .. } = self;
        let remark = if self.counts() { "" } else { ": DOES NOT COUNT" };
        write!(f, "{rates}; {answered} redirects, {stored} clicks, {failed} failed{remark}")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "commit {}; medians of rates and of ratios\n", self.commit)?;
        writeln!(f, "{:<28} {:>8} {:>8} {:>6} {:>6}", "", "bare /s", "buoy /s", "ratio", "goal")?;
        redirects(f, "(b/a) redirects, one replica", &self.alone, 0.65)?;
        redirects(f, "(c) three behind Nginx", &self.fleet, 0.86)?;
        for Operations { operation, rounds } in &self.api {
            row(f, operation.name(), rounds, operation.goal())?;
        }
        if !self.alone.is_empty() {
            let memory = median(self.alone.iter().map(|round| round.resident_mib));
            writeln!(f, "\nmemory of the replica with its click queue: {memory:.1} MiB (goal 40)")?;
            let start = median(self.starts_ms.iter().copied());
            writeln!(f, "start to ready: {start:.0} ms (goal 150)")?;
        }
        Ok(())
    }
}

/// The rates of rounds that count, and the processor time and clicks of all.
fn redirects(f: &mut fmt::Formatter<'_>, name: &str, rounds: &[Redirects], goal: f64) -> fmt::Result {
    if rounds.is_empty() {
        return Ok(());
    }
    let sound: Vec<Redirects> = rounds.iter().filter(|round| round.counts()).copied().collect();
    row(f, name, &sound.iter().map(|round| round.rates).collect::<Vec<_>>(), goal)?;
    let cpu = |part: usize| median(sound.iter().map(|round| round.cpu_us[part]));
    writeln!(f, "    CPU a redirect: replica {:.1} us, PostgreSQL {:.1} us, Nginx {:.1} us", cpu(0), cpu(1), cpu(2))?;
    let sum = |of: fn(&Redirects) -> u64| rounds.iter().map(of).sum::<u64>();
    let (answered, stored, failed) = (sum(|r| r.answered), sum(|r| r.stored), sum(|r| r.failed));
    writeln!(f, "    {answered} redirects, {stored} clicks stored, {failed} failed")
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, rounds: &[Pair], goal: f64) -> fmt::Result {
    let of = |of: fn(&Pair) -> f64| median(rounds.iter().map(of));
    let (bare, buoy, ratio) = (of(|pair| pair.bare), of(|pair| pair.buoy), of(Pair::ratio));
    writeln!(f, "{name:<28} {bare:>8.0} {buoy:>8.0} {ratio:>6.2} {goal:>6.2}")
}

/// The median; 0 without values.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_with_a_click_too_few_is_in_no_median() {
        let rates = |bare| Pair { bare, buoy: 5.0 };
        let good = Redirects { rates: rates(10.0), answered: 5, stored: 5, ..Redirects::default() };
        let bad = Redirects { rates: rates(1e6), stored: 4, ..good };
        let figures = Figures { alone: vec![good, bad, good], ..Figures::default() };
        assert!(!figures.valid());
        let row = figures.to_string().lines().find(|line| line.starts_with("(b/a)")).map(str::to_owned);
        assert_eq!(row.unwrap(), "(b/a) redirects, one replica       10        5   0.50   0.65");
        assert!(!Redirects { failed: 1, ..good }.counts());
    }

    #[test]
    fn the_ratio_is_the_median_of_ratios() {
        let rounds = [(10.0, 5.0), (20.0, 2.0), (30.0, 9.0), (40.0, 20.0)];
        let rounds = rounds.map(|(bare, buoy)| Pair { bare, buoy }).to_vec();
        let api = vec![Operations { operation: Operation::Create, rounds }];
        let text = Figures { api, ..Figures::default() }.to_string();
        assert!(text.ends_with("create                             25        7   0.40   0.60\n"), "{text}");
    }
}
