//! From the runs that were measured to fleets that were not.

use serde::Serialize;

use super::{
    costs::{self, Costs, Processors},
    measured::Run,
    network::{Found, Network},
    request::Steps,
    station::Services,
};
use crate::bench::figures::Figures;

/// How far the model may be from what was measured, in parts.
pub const TOLERANCE: f64 = 0.2;
/// A station is not to be used more than this: beyond it queues grow faster than load.
const FULL: f64 = 0.7;
/// Connections of a replica's pool: DATABASE_POOL_SIZE.
const POOL: u32 = 5;
/// Connections of a replica: its pool, and one that listens.
const CONNECTIONS: u32 = POOL + 1;
/// What PostgreSQL takes before it needs a pooler in front of it: its default of 100, less three kept for its owner.
const CONNECTIONS_ALLOWED: u32 = 97;

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
/// Replicas of the measured fleet.
const REPLICAS: u32 = 3;
/// Steps of the search for the turn of others.
const SEARCHED: u32 = 7;

/// Repeats measured runs, each with the processor time that a request took in each of its seconds. What requests are made of is taken
/// from the run without think time and the one of the fewest users. How long a statement waits for others' turn is found by trial, so that the
/// 95th percentile of the run without think time is met; of the other runs no latency is used but that of the fewest users.
///
/// # Errors
/// Where one of these is missing, or the engine fails.
pub fn repeat(figures: &Figures, runs: &[Run], cores: u32) -> anyhow::Result<Vec<Repeated>> {
    let full = runs.iter().find(|run| run.think_ms == 0);
    let full =
        full.ok_or_else(|| anyhow::anyhow!("a run without think time is needed: it says what a request costs"))?;
    let idle = runs.iter().filter(|run| run.think_ms > 0).min_by_key(|run| run.users);
    let idle = idle.ok_or_else(|| anyhow::anyhow!("a run with think time is needed: it says what else takes time"))?;
    let processors = Processors::of(full, runs, cores)?;
    let Costs { steps, hop, store } = Costs::of(full, idle, &processors, figures)?;
    let network = |run: &Run, turn: f64| Network {
        steps: steps.clone(),
        users: run.users,
        think: f64::from(run.think_ms) / 1e3,
        servers: cores,
        service: hop,
        services: Services::Alike,
        connections: POOL,
        turn,
        store: (REPLICAS, store),
        slowness: processors.slowness(run),
    };
    let (mut low, mut high) = (0.0, 2.0 * costs::turn(full)?);
    for _ in 0..SEARCHED {
        let turn = f64::midpoint(low, high);
        let found = network(full, turn).simulate(2.0 * REPEATED)?;
        *(if found.p95_ms > full.steady.row.p95_ms { &mut high } else { &mut low }) = turn;
    }
    let turn = f64::midpoint(low, high);
    let repeated = runs.iter().map(|run| {
        let found = network(run, turn).simulate(2.0 * REPEATED)?;
        Ok(Repeated { run: run.clone(), found })
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
        services: Services::Exponential,
        connections: POOL,
        turn: 0.0,
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
    use crate::{bench::figures::Round, model::measured::tests::run};

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

    #[test]
    fn measured_runs_are_repeated() {
        let round = Round { buoy: 5_000.0, proxied_cpu_us: [500.0, 200.0, 0.0], ..Round::default() };
        let figures = Figures { rounds: vec![round], create_per_second: 1_000.0, ..Figures::default() };
        let repeat = |runs: &[Run]| repeat(&figures, runs, 2);
        let repeated = repeat(&[run(200, 0, 600.0, 300.0), run(200, 1_000, 180.0, 5.0)]).unwrap();
        // A manage step is five requests: more than the runs above have, so their rates are met roughly.
        assert!(repeated.iter().all(|run| run.rate_off().abs() < 0.25), "{repeated:?}");
        assert!(repeated[1].p95_off().abs() < TOLERANCE, "{repeated:?}");
        assert!(repeat(&[run(200, 1_000, 200.0, 1.0)]).is_err());
        assert!(repeat(&[run(200, 0, 200.0, 1.0)]).is_err());
    }
}
