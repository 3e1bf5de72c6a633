//! From the runs that were measured to fleets that were not.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::{
    network::{Found, Network},
    request::{Delay, Request, Steps},
};
use crate::{bench::figures::Figures, scenario::MANAGES};

/// How far the model may be from what was measured, in parts.
pub const TOLERANCE: f64 = 0.2;
/// A station is not to be used more than this: beyond it queues grow faster than load.
const FULL: f64 = 0.7;
/// Connections of a replica: its pool, and one that listens.
const CONNECTIONS: u32 = 5 + 1;
/// What PostgreSQL takes before it needs a pooler in front of it: its default of 100, less three kept for its owner.
const CONNECTIONS_ALLOWED: u32 = 97;

/// A run of `loadtest`, as far as the model needs its report.json.
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

impl Run {
    /// Requests and processors that worked, for each of the steady seconds: on average over as many seconds as have enough requests to tell
    /// what one costs.
    fn seconds(&self) -> Vec<(f64, f64)> {
        let all = self.over_time.iter().zip(&self.busy).map(|(second, busy)| (second.requests as f64, *busy));
        let steady: Vec<_> = all.take(self.steady.to).skip(self.steady.from).collect();
        let together = (ENOUGH / mean(&steady).0.max(1.0)).ceil().max(1.0) as usize;
        steady.chunks(together).flat_map(|seconds| std::iter::repeat_n(mean(seconds), seconds.len())).collect()
    }

    fn row(&self, kind: &str) -> anyhow::Result<&Row> {
        self.kinds.get(kind).ok_or_else(|| anyhow::anyhow!("no requests of the kind {kind}"))
    }
}

/// The mean of both numbers; 0 where there are none.
fn mean(pairs: &[(f64, f64)]) -> (f64, f64) {
    let (first, second) = pairs.iter().fold((0.0, 0.0), |all, pair| (all.0 + pair.0, all.1 + pair.1));
    let count = f64::max(pairs.len() as f64, 1.0);
    (first / count, second / count)
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

/// A measured run beside the model's.
#[derive(Debug, Clone)]
pub struct Repeated {
    /// What was measured.
    pub run: Run,
    /// What the model says.
    pub found: Found,
}

impl Repeated {
    /// How far the model is off in requests per second, in parts of what was measured.
    pub fn rate_off(&self) -> f64 {
        self.found.per_second / self.run.steady.row.per_second - 1.0
    }

    /// The same for the 95th percentile.
    pub fn p95_off(&self) -> f64 {
        self.found.p95_ms / self.run.steady.row.p95_ms - 1.0
    }
}

/// Seconds of a measured run that are repeated, after as many in which queues settle.
const REPEATED: f64 = 60.0;
/// Requests that tell what one costs: processor time is known to a hundredth of a second.
const ENOUGH: f64 = 1_000.0;
/// Replicas of the measured fleet.
const REPLICAS: u32 = 3;
/// Times that following a link needs a processor: the client, Nginx, the replica, Nginx, the client.
const HOPS: f64 = 5.0;
const VISITS: [&str; 3] = ["visit", "unknown", "inactive"];
const MANAGE: [&str; 5] = ["create", "list", "update", "changed", "delete"];

/// What the machine has for requests, and what they take of it.
#[derive(Debug, Clone, Copy)]
struct Processors {
    count: f64,
    /// Processors at work whatever is asked: timers, heartbeats, the system.
    background: f64,
    /// Seconds of the rest of the processors that a request takes, on average.
    request: f64,
}

impl Processors {
    /// From a run in which all were busy and one in which few were.
    fn of(full: &Run, idle: &Run, count: u32) -> anyhow::Result<Self> {
        let ((many, all), (few, some)) = (mean(&full.seconds()), mean(&idle.seconds()));
        anyhow::ensure!(some > 0.0 && all > some && many > few, "the runs do not say how busy the processors were");
        let each = (all - some) / (many - few);
        let new = Self { count: f64::from(count), background: (some - each * few).max(0.0), request: 0.0 };
        Ok(Self { request: new.for_a_request(many, all), ..new })
    }

    fn for_a_request(&self, requests: f64, busy: f64) -> f64 {
        // What the background takes makes everything else take longer.
        let free = (self.count - self.background) / self.count;
        ((busy - self.background) / requests.max(1.0) / free).max(0.0)
    }

    /// What a request took in each second of a run, in parts of the average: the machine's other tenants, and more connections, make every
    /// request cost more.
    fn slowness(&self, run: &Run) -> Vec<f64> {
        run.seconds().into_iter().map(|(requests, busy)| self.for_a_request(requests, busy) / self.request).collect()
    }
}

/// What requests cost, by two runs.
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
    /// From a run without think time, whose latencies are made of queueing alone, so that their ratios say how often each kind of request
    /// needs a processor; and from a run of an almost idle machine, whose latencies less its processors' time are what else a request
    /// waits for. `click` is the seconds of processor with which PostgreSQL stores a click; it is no part of the request.
    ///
    /// # Errors
    /// Where a kind of request is missing.
    fn of(full: &Run, idle: &Run, processors: Processors, click: f64) -> anyhow::Result<Self> {
        let visit = full.row("visit")?;
        let mut times = BTreeMap::new();
        let (mut requests, mut all) = (0.0, 0.0);
        for kind in VISITS.into_iter().chain(MANAGE) {
            let row = full.row(kind)?;
            let hops = (HOPS * row.p50_ms / visit.p50_ms).round().max(1.0);
            requests += row.requests as f64;
            all += hops * row.requests as f64;
            times.insert(kind, hops);
        }
        let hop = (processors.request * requests - click * visit.requests as f64) / all;
        anyhow::ensure!(hop > 0.0, "storing clicks cannot have taken all of the processors' time");
        let request = |kind| {
            let (row, times) = (idle.row(kind)?, times.get(kind).copied().unwrap_or(1.0));
            let delay = Delay::measured(row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms, times * hop);
            anyhow::Ok(Request { hops: times as u32, delay })
        };
        let visits = VISITS.into_iter().map(|kind| Ok((full.row(kind)?.per_second, request(kind)?)));
        let steps = Steps {
            visits: visits.collect::<anyhow::Result<_>>()?,
            manage: MANAGE.into_iter().map(request).collect::<anyhow::Result<_>>()?,
            manages: MANAGES,
            wake_hops: HOPS as u32,
        };
        Ok(Self { steps, hop, store: click / hop })
    }
}

/// Repeats measured runs, each with the processor time that a request took in each of its seconds. What requests are made of is taken
/// from the run without think time and the one of the fewest users.
///
/// # Errors
/// Where one of these is missing, or the engine fails.
pub fn repeat(figures: &Figures, runs: &[Run], cores: u32) -> anyhow::Result<Vec<Repeated>> {
    let full = runs.iter().find(|run| run.think_ms == 0);
    let full =
        full.ok_or_else(|| anyhow::anyhow!("a run without think time is needed: it says what a request costs"))?;
    let idle = runs.iter().filter(|run| run.think_ms > 0).min_by_key(|run| run.users);
    let idle = idle.ok_or_else(|| anyhow::anyhow!("a run with think time is needed: it says what else takes time"))?;
    let click = figures.median(|round| round.proxied_cpu_us[1]) / 1e6;
    let processors = Processors::of(full, idle, cores)?;
    let Costs { steps, hop, store } = Costs::of(full, idle, processors, click)?;
    let repeated = runs.iter().map(|run| {
        let (think, steps) = (f64::from(run.think_ms) / 1e3, steps.clone());
        let slowness = processors.slowness(run);
        let (users, servers, store) = (run.users, cores, (REPLICAS, store));
        let network = Network { steps, users, think, servers, service: hop, store, slowness };
        Ok(Repeated { run: run.clone(), found: network.simulate(2.0 * REPEATED)? })
    });
    repeated.collect()
}

/// A fleet that nobody measured, with instances of one processor each and a database of eight.
#[derive(Debug, Clone, Serialize)]
pub struct Fleet {
    /// Instances.
    pub instances: u32,
    /// Users, who think for a second.
    pub users: u32,
    /// Redirects per second.
    pub per_second: f64,
    /// The 99th percentile of what queueing in the instance makes of a redirect, in milliseconds.
    pub p99_ms: f64,
    /// Share of its processor that an instance uses.
    pub instance_load: f64,
    /// Share of its processors that the database uses to store the clicks.
    pub database_load: f64,
    /// Connections to the database.
    pub connections: u32,
    /// What has to change for it to hold.
    pub change: &'static str,
}

/// The processors of the database.
pub const DATABASE_CORES: f64 = 8.0;

/// Simulates one of `instances` alike, which gets its share of the users.
///
/// # Errors
/// Where the engine fails.
pub fn fleet(figures: &Figures, instances: u32, users: u32) -> anyhow::Result<Fleet> {
    let replica = figures.median(|round| round.proxied_cpu_us[0]) / 1e6;
    let database = figures.median(|round| round.proxied_cpu_us[1]) / 1e6;
    let share = users.div_ceil(instances);
    // Long enough for some 200,000 requests, and for a full queue to settle.
    let settled = 4.0 * f64::from(share) * replica;
    let seconds = (200_000.0 / f64::from(share)).clamp(6.0, 60.0).max(settled);
    let network = Network {
        steps: Steps::plain(),
        users: share,
        think: 1.0,
        servers: 1,
        service: replica,
        store: (1, 0.0),
        slowness: Vec::new(),
    };
    let found = network.simulate(seconds)?;
    let per_second = found.per_second * f64::from(instances);
    let instance_load = found.per_second * replica;
    let database_load = per_second * database / DATABASE_CORES;
    let connections = instances * CONNECTIONS;
    let change = change(instance_load, database_load, connections);
    Ok(Fleet { instances, users, per_second, p99_ms: found.p99_ms, instance_load, database_load, connections, change })
}

fn change(instance_load: f64, database_load: f64, connections: u32) -> &'static str {
    match () {
        () if instance_load > FULL => "more instances, or edge caching of permanent links",
        () if database_load > 1.0 => "shards of codes, each with a database",
        () if database_load > FULL => "partitions of events by day; read replicas for statistics",
        () if connections > CONNECTIONS_ALLOWED => "pooled connections",
        () => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Round;

    #[test]
    fn what_is_full_is_named() {
        let round = Round { proxied_cpu_us: [50.0, 10.0, 0.0], redirects: 1, stored: 1, ..Round::default() };
        let figures = Figures { rounds: vec![round], ..Figures::default() };
        let small = fleet(&figures, 3, 200).unwrap();
        assert_eq!((small.change, small.connections), ("nothing", 18));
        assert!((small.per_second - 200.0).abs() < 6.0, "{small:?}");
        assert_eq!(fleet(&figures, 20, 200).unwrap().change, "pooled connections");
        let full = fleet(&figures, 1, 40_000).unwrap();
        assert!(full.change.starts_with("more instances") && full.p99_ms > 500.0, "{full:?}");
    }

    /// A run in which every kind takes `ms` and `per_second` are visits, a hundredth of them each of the others; processors work for
    /// 300 microseconds a request.
    fn run(users: u32, think_ms: u32, per_second: f64, ms: f64) -> Run {
        let row = |per_second: f64| Row {
            requests: (per_second * 60.0) as u64,
            per_second,
            p50_ms: ms,
            p95_ms: 2.0 * ms,
            p99_ms: 3.0 * ms,
            max_ms: 4.0 * ms,
        };
        let kinds = VISITS.into_iter().chain(MANAGE).map(|kind| {
            let part = if kind == "visit" { 1.0 } else { 0.01 };
            (kind.to_owned(), row(per_second * part))
        });
        let all = per_second * 1.07;
        Run {
            users,
            think_ms,
            steady: Steady { from: 2, to: 62, row: row(all) },
            kinds: kinds.collect(),
            over_time: vec![Second { requests: all as u64 }; 64],
            busy: vec![all * 0.000_3; 64],
        }
    }

    #[test]
    fn measured_runs_are_repeated() {
        let figures = Figures {
            rounds: vec![Round { proxied_cpu_us: [50.0, 20.0, 0.0], ..Round::default() }],
            ..Figures::default()
        };
        let repeat = |runs: &[Run]| repeat(&figures, runs, 2);
        let repeated = repeat(&[run(200, 0, 6_000.0, 20.0), run(200, 1_000, 200.0, 1.0)]).unwrap();
        // A manage step is five requests: more than the runs above have, so their rates are met roughly.
        assert!(repeated.iter().all(|run| run.rate_off().abs() < 0.25), "{repeated:?}");
        assert!(repeated[1].p95_off().abs() < TOLERANCE, "{repeated:?}");
        assert!(repeat(&[run(200, 1_000, 200.0, 1.0)]).is_err());
        assert!(repeat(&[run(200, 0, 200.0, 1.0)]).is_err());
    }
}
