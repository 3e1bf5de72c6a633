//! Puts users and a station together and lets time pass.

use std::time::Duration;

use anyhow::anyhow;
use nexosim::{
    ports::{EventSinkReader as _, SinkState, event_queue},
    simulation::{Mailbox, SimInit},
    time::MonotonicTime,
};

use super::{
    pools::Pools,
    request::Steps,
    station::{Services, Station},
    users::Users,
};

/// A closed network: users before one station, and the connections of replicas.
#[derive(Debug, Clone)]
pub struct Network {
    /// What they do.
    pub steps: Steps,
    /// Users.
    pub users: u32,
    /// Seconds that they think after each step.
    pub think: f64,
    /// Processors.
    pub servers: u32,
    /// Seconds of processor that a hop takes.
    pub service: f64,
    /// How that differs.
    pub services: Services,
    /// Connections of a replica.
    pub connections: u32,
    /// Seconds that a statement waits for others' turn where all processors are busy.
    pub turn: f64,
    /// Replicas that store clicks, and hops that storing one takes; 0 where that happens elsewhere.
    pub store: (u32, f64),
    /// How much longer than usual services take, second by second, over and over; empty where they are always alike.
    pub slowness: Vec<f64>,
}

/// What a simulation found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Requests answered per second.
    pub per_second: f64,
    /// The 95th percentile of latency, in milliseconds.
    pub p95_ms: f64,
    /// The 99th.
    pub p99_ms: f64,
}

impl Network {
    /// Simulates so many seconds; the first half lets the queue settle and is not counted.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn simulate(&self, seconds: f64) -> anyhow::Result<Found> {
        let mut users = Users::new(self.users, self.think, self.steps.clone(), self.store);
        let mut station = Station::new(self.servers, (self.service, self.services), self.turn, self.slowness.clone());
        let mut pools = Pools::new(self.store.0, self.connections);
        let (users_box, station_box, pools_box) = (Mailbox::new(), Mailbox::new(), Mailbox::new());
        users.output.connect(Station::arrive, &station_box);
        station.output.connect(Pools::served, &pools_box);
        pools.asking.connect(Station::arrive, &station_box);
        pools.done.connect(Users::answered, &users_box);
        let (sink, mut answered) = event_queue(SinkState::Enabled);
        users.latencies.connect_sink(sink);
        let bench = SimInit::with_num_threads(1).add_model(users, users_box, "users");
        let mut simulation = bench
            .add_model(station, station_box, "station")
            .add_model(pools, pools_box, "pools")
            .init(MonotonicTime::EPOCH)
            .map_err(|error| anyhow!("the simulation did not start: {error}"))?;
        let half = Duration::from_secs_f64(seconds / 2.0);
        simulation.step_until(half).map_err(|error| anyhow!("the simulation failed: {error}"))?;
        while answered.try_read().is_some() {}
        simulation.step_until(half).map_err(|error| anyhow!("the simulation failed: {error}"))?;
        let mut latencies: Vec<f64> = std::iter::from_fn(|| answered.try_read()).collect();
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            latencies.get(index.min(latencies.len().saturating_sub(1))).copied().unwrap_or(0.0) * 1e3
        };
        Ok(Found { per_second: latencies.len() as f64 / half.as_secs_f64(), p95_ms: at(0.95), p99_ms: at(0.99) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request::Request;

    /// Plain users before two processors, for whom each request takes `service` seconds.
    fn plain(users: u32, think: f64, service: f64) -> Network {
        Network {
            steps: Steps::plain(),
            users,
            think,
            servers: 2,
            service,
            services: Services::Exponential,
            connections: 1,
            turn: 0.0,
            store: (1, 0.0),
            slowness: Vec::new(),
        }
    }

    #[test]
    fn an_idle_station_serves_whoever_comes() {
        let found = plain(100, 1.0, 0.000_1).simulate(40.0).unwrap();
        assert!((found.per_second - 100.0).abs() < 2.0, "{found:?}");
        // Exponential, without a queue: the 95th percentile is ln(20) = 3.0 times the mean.
        assert!((found.p95_ms / 0.3 - 1.0).abs() < 0.1, "{found:?}");
        let alike = Network { services: Services::Alike, ..plain(100, 1.0, 0.000_1) }.simulate(40.0).unwrap();
        assert!((alike.p95_ms / 0.1 - 1.0).abs() < 0.1, "{alike:?}");
    }

    #[test]
    fn a_full_station_serves_what_it_can() {
        let found = plain(200, 0.0, 0.001).simulate(10.0).unwrap();
        assert!((found.per_second / 2_000.0 - 1.0).abs() < 0.05, "{found:?}");
        // Little: 200 users at 2,000 a second are 100 ms each; served in no order, which is exponential, 3.0 times that at most.
        assert!((found.p95_ms / 300.0 - 1.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn connections_are_waited_for() {
        // Of 20 users each asks two statements of 1 ms; there are processors enough, and connections for two or all.
        let asking = |connections| {
            let request = Request { statements: 2, statement: 1.0, work: 0.01, ..Request::plain(1) };
            let steps = Steps { visits: vec![(1.0, request)], ..Steps::plain() };
            let network =
                Network { steps, servers: 20, connections, services: Services::Alike, ..plain(20, 0.0, 0.001) };
            network.simulate(10.0).unwrap()
        };
        let (two, all) = (asking(2), asking(20));
        assert!((two.per_second / 1_000.0 - 1.0).abs() < 0.05, "{two:?}");
        assert!((two.p95_ms / 20.0 - 1.0).abs() < 0.1, "{two:?}");
        assert!((all.p95_ms / 2.01 - 1.0).abs() < 0.1, "{all:?}");
    }

    #[test]
    fn a_statement_waits_for_a_turn_of_others_while_there_are_any() {
        let request = Request { statements: 1, statement: 0.01, ..Request::plain(1) };
        let steps = Steps { visits: vec![(1.0, request)], ..Steps::plain() };
        let network = |users, think, turn| {
            let plain = plain(users, think, 0.000_1);
            Network { steps: steps.clone(), connections: users, turn, services: Services::Alike, ..plain }
        };
        let (busy, promptly) = (network(400, 0.0, 0.005), network(400, 0.0, 0.0));
        let (busy, promptly) = (busy.simulate(4.0).unwrap(), promptly.simulate(4.0).unwrap());
        // A turn is no work: as many are answered.
        assert!((busy.per_second / promptly.per_second - 1.0).abs() < 0.02, "{busy:?} {promptly:?}");
        let idle = network(10, 1.0, 0.005).simulate(40.0).unwrap();
        assert!((idle.p95_ms / 0.101 - 1.0).abs() < 0.1, "{idle:?}");
        let one = network(1, 0.0, 0.005).simulate(1.0).unwrap();
        assert!((one.p95_ms / 0.101 - 1.0).abs() < 0.1, "{one:?}");
    }
}
