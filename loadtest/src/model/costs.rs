//! What requests cost, by what was measured and by what the program does for them.

use super::{
    measured::Run,
    request::{Delay, Request, Steps},
};
use crate::{bench::figures::Figures, scenario::MANAGES};

/// Times that following a link needs a processor: the client, Nginx, the replica, Nginx, the client.
const HOPS: u32 = 5;
/// The same for a call that ends a pause. Waiting for it takes 0.8 times as long as an answer, by the rates of 5,000 users and their mean
/// latency: users = rate / requests of a step * (pause + calls + requests of a step * latency).
const WAKE_HOPS: u32 = 4;
/// Times that processors are needed until the other replicas have acknowledged a change: two of them, and the database before each. The
/// work is little, since acknowledgements are gathered.
const HEARD_HOPS: u32 = 4;
/// Statements with which a link is created: BEGIN, the link, its code among the retired ones, the event, the announcement, COMMIT.
const CREATION: u32 = 6;

/// What the program does for a kind of request.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Statements that it asks one after the other, with a connection.
    statements: u32,
    /// Whether it is answered when the other replicas have heard of it.
    heard: bool,
}

impl Kind {
    const fn new(name: &'static str, statements: u32, heard: bool) -> Self {
        Self { name, statements, heard }
    }

    fn hops(self) -> u32 {
        HOPS + if self.heard { HEARD_HOPS } else { 0 }
    }

    /// Statements' work, in those of a creation: of changes creations alone are measured, and the others are taken to cost as much.
    fn work(self) -> f64 {
        f64::from(self.statements.min(CREATION))
    }
}

const VISITS: [Kind; 3] =
    [Kind::new("visit", 0, false), Kind::new("unknown", 1, false), Kind::new("inactive", 0, false)];
const MANAGE: [Kind; 5] = [
    Kind::new("create", CREATION, false),
    Kind::new("list", 1, false),
    Kind::new("update", 6, true),
    // Following a link that was just changed: read from the database again.
    Kind::new("changed", 1, false),
    Kind::new("delete", 7, true),
];

/// What the machine has for requests, and what they take of it.
#[derive(Debug, Clone, Copy)]
pub struct Processors {
    count: f64,
    /// Processors at work whatever is asked: timers, heartbeats, the system.
    background: f64,
    /// Seconds of the rest of the processors that a request takes on average where all are busy.
    request: f64,
}

impl Processors {
    /// Of `count` processors. `full` is a run that takes all of them. What is at work without requests follows from the runs in which
    /// they are less than half busy, by the straight line through these; where that is one run alone, through it and the full one.
    ///
    /// # Errors
    /// Where the runs do not say how busy the processors were.
    pub fn of(full: &Run, runs: &[Run], count: u32) -> anyhow::Result<Self> {
        let count = f64::from(count);
        let mut points: Vec<_> = runs.iter().map(Run::mean).filter(|(_, busy)| *busy < count / 2.0).collect();
        if points.len() < 2 {
            points.push(full.mean());
        }
        let (many, all) = full.mean();
        anyhow::ensure!(many > 0.0 && all > 0.0, "the runs do not say how busy the processors were");
        let new = Self { count, background: intercept(&points).clamp(0.0, count / 2.0), request: 0.0 };
        Ok(Self { request: new.for_a_request(many, all), ..new })
    }

    fn for_a_request(&self, requests: f64, busy: f64) -> f64 {
        // What the background takes makes everything else take longer.
        let free = (self.count - self.background) / self.count;
        ((busy - self.background) / requests.max(1.0) / free).max(0.0)
    }

    /// What a request took in each second of a run, in parts of that of the full run: the machine's other tenants and more connections make
    /// each cost more. So do processors that fall asleep between requests; but that is no time for which another one waits, and where
    /// they are less than half busy it is left to what the idle run's requests wait for besides.
    pub fn slowness(&self, run: &Run) -> Vec<f64> {
        let slower = |(requests, busy): (f64, f64)| {
            if busy < self.count / 2.0 { 1.0 } else { self.for_a_request(requests, busy) / self.request }
        };
        run.seconds().into_iter().map(slower).collect()
    }
}

/// Where the straight line through these points, by least squares, begins.
fn intercept(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let sum = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>();
    let (x, y) = (sum(|p| p.0), sum(|p| p.1));
    let (xx, xy) = (sum(|p| p.0 * p.0), sum(|p| p.0 * p.1));
    let spread = count * xx - x * x;
    if spread > 0.0 { (y - (count * xy - x * y) / spread * x) / count } else { 0.0 }
}

/// What requests cost.
#[derive(Debug, Clone)]
pub struct Costs {
    /// What users do.
    pub steps: Steps,
    /// Seconds of processor of a hop.
    pub hop: f64,
    /// Hops that storing a click takes.
    pub store: f64,
}

impl Costs {
    /// From the full run, an almost idle one, and the benchmark. The processors' time in the full run, less what PostgreSQL spends on clicks
    /// and statements take, is that of the hops, each alike. Latencies of the idle run, less their own time of processors, are
    /// what a request waits for besides.
    ///
    /// # Errors
    /// Where a kind of request is missing, or the figures contradict each other.
    pub fn of(full: &Run, idle: &Run, processors: &Processors, figures: &Figures) -> anyhow::Result<Self> {
        let click = figures.median(|round| round.proxied_cpu_us[1]) / 1e6;
        let seconds = |per_second: f64| if per_second > 0.0 { processors.count / per_second } else { 0.0 };
        let creation = seconds(figures.create_per_second) - seconds(figures.median(|round| round.buoy));
        let statement = creation.max(0.0) / f64::from(CREATION);
        let (mut requests, mut statements) = (0.0, 0.0);
        for kind in VISITS.into_iter().chain(MANAGE) {
            let of_kind = full.row(kind.name)?.requests as f64;
            requests += of_kind;
            statements += of_kind * kind.work();
        }
        let rest = processors.request * requests - click * full.row("visit")?.requests as f64 - statement * statements;
        let hop = rest / (requests * f64::from(HOPS));
        anyhow::ensure!(hop > 0.0, "clicks and statements cannot have taken all of the processors' time");
        let request = |kind: Kind| {
            let (row, hops) = (idle.row(kind.name)?, kind.hops());
            let own = hop * f64::from(HOPS) + statement * kind.work();
            anyhow::Ok(Request {
                hops,
                work: f64::from(HOPS) / f64::from(hops),
                statements: kind.statements,
                statement: statement / hop * kind.work() / f64::from(kind.statements.max(1)),
                delay: Delay::measured(row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms, own),
            })
        };
        let visits = VISITS.into_iter().map(|kind| Ok((full.row(kind.name)?.per_second, request(kind)?)));
        let steps = Steps {
            visits: visits.collect::<anyhow::Result<_>>()?,
            manage: MANAGE.into_iter().map(request).collect::<anyhow::Result<_>>()?,
            manages: MANAGES,
            wake_hops: WAKE_HOPS,
        };
        Ok(Self { steps, hop, store: click / hop })
    }
}

/// What a statement waits for the replica's thread where all processors are busy, in seconds, by the run in which they are: a creation and
/// the reading of an unknown code differ in five statements, and in nothing else. A first estimate: of medians, not means.
///
/// # Errors
/// Where a kind of request is missing.
pub fn turn(full: &Run) -> anyhow::Result<f64> {
    let more = full.row("create")?.p50_ms - full.row("unknown")?.p50_ms;
    Ok((more / 1e3 / f64::from(CREATION - 1)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bench::figures::Round, model::measured::tests::run};

    #[test]
    fn a_straight_line_begins_where_it_does() {
        assert!((intercept(&[(100.0, 0.2), (200.0, 0.3), (400.0, 0.5)]) - 0.1).abs() < 1e-9);
        assert_eq!(intercept(&[(100.0, 0.2)]), 0.0);
        assert_eq!(intercept(&[]), 0.0);
    }

    #[test]
    fn the_processors_time_adds_up() {
        let (full, idle) = (run(200, 0, 600.0, 300.0), run(200, 1_000, 200.0, 5.0));
        let processors = Processors::of(&full, &[full.clone(), idle.clone()], 2).unwrap();
        // 3 ms a request in both, and nothing else at work.
        assert!(processors.background < 1e-3 && (processors.request * 1e3 - 3.0).abs() < 0.01, "{processors:?}");
        assert!(processors.slowness(&full).iter().all(|slower| (slower - 1.0).abs() < 0.01));
        let slow = Run { busy: vec![1.8; 64], ..idle.clone() };
        assert!(processors.slowness(&slow).iter().all(|slower| (slower - 1.8 / 214.0 / 0.003).abs() < 0.01));
        let few = Run { busy: vec![0.9; 64], ..idle.clone() };
        assert!(processors.slowness(&few).iter().all(|slower| *slower == 1.0));
        let figures = Figures {
            rounds: vec![Round { buoy: 5_000.0, proxied_cpu_us: [500.0, 200.0, 0.0], ..Round::default() }],
            create_per_second: 200.0,
            ..Figures::default()
        };
        let costs = Costs::of(&full, &idle, &processors, &figures).unwrap();
        // 9.6 ms for the statements of a creation: 1.6 each, 21 of them in every 107 requests; 0.2 ms for each of 100 clicks.
        let expected = (3.0 * 107.0 - 21.0 * 1.6 - 0.2 * 100.0) / 107.0 / 5.0;
        assert!((costs.hop * 1e3 - expected).abs() < 0.01, "{} {expected}", costs.hop * 1e3);
        assert!(Costs::of(&full, &idle, &Processors { request: 0.0, ..processors }, &figures).is_err());
    }
}
