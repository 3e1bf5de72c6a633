//! What a request costs, from two measured runs: how often it needs a processor, and what it waits for besides.

use rand::{RngExt as _, rngs::SmallRng};
use serde::{Deserialize, Serialize};

/// A kind of request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Times that it needs a processor, one after the other: client, Nginx, replica, database, and back.
    pub hops: u32,
    /// How long it uses each, in parts of the mean.
    pub work: f64,
    /// Statements that it then asks of the database, with a connection of its replica.
    pub statements: u32,
    /// How long each of these uses a processor, in parts of the mean.
    pub statement: f64,
    /// What it waits for beside processors and connections.
    pub delay: Delay,
}

impl Request {
    /// A request that needs a processor so many times, and nothing else.
    pub fn plain(hops: u32) -> Self {
        Self { hops, work: 1.0, statements: 0, statement: 0.0, delay: Delay::default() }
    }
}

/// Waiting for what is no processor: a distribution by its quantiles, as (share, seconds), ascending.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Delay(Vec<(f64, f64)>);

impl Delay {
    /// From the quantiles of latency on an idle machine, in milliseconds, less `own` seconds of processor. Nothing measured says how
    /// the faster half is spread: it is taken as even from seven tenths of the median on.
    pub fn measured(p50_ms: f64, p95_ms: f64, p99_ms: f64, max_ms: f64, own: f64) -> Self {
        let quantiles = [(0.0, p50_ms * 0.7), (0.5, p50_ms), (0.95, p95_ms), (0.99, p99_ms), (1.0, max_ms)];
        Self(quantiles.into_iter().map(|(share, ms)| (share, (ms / 1e3 - own).max(0.0))).collect())
    }

    /// Draws seconds.
    pub fn draw(&self, random: &mut SmallRng) -> f64 {
        let share: f64 = random.random();
        let between = |pair: &[(f64, f64)]| match *pair {
            [(from, low), (to, high)] if share <= to => Some(low + (high - low) * (share - from) / (to - from)),
            _ => None,
        };
        self.0.windows(2).find_map(between).unwrap_or(0.0)
    }
}

/// What users do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Steps {
    /// The kinds of a visit, each with its weight.
    pub visits: Vec<(f64, Request)>,
    /// The requests of managing a link, in their order.
    pub manage: Vec<Request>,
    /// The part of steps that manages.
    pub manages: f64,
    /// Times that calling a user who has paused needs a processor; 0 where clients are elsewhere.
    pub wake_hops: u32,
}

impl Steps {
    /// Visits of one kind alone, which need one processor once and wait for nothing else.
    pub fn plain() -> Self {
        Self { visits: vec![(1.0, Request::plain(1))], manage: Vec::new(), manages: 0.0, wake_hops: 0 }
    }

    /// Draws the requests of a step, as places in [`Steps::request`].
    pub fn draw(&self, random: &mut SmallRng) -> std::ops::Range<usize> {
        let first = self.visits.len();
        if random.random_bool(self.manages) {
            return first..first + self.manage.len();
        }
        let all: f64 = self.visits.iter().map(|(weight, _)| weight).sum();
        let mut left = random.random::<f64>() * all;
        for (nth, (weight, _)) in self.visits.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return nth..nth + 1;
            }
        }
        0..1
    }

    /// Whether a request at this place leaves a click: the first kind of visits does.
    pub fn is_click(&self, place: usize) -> bool {
        place == 0
    }

    /// The request at a place: visits first.
    pub fn request(&self, place: usize) -> &Request {
        let visit = self.visits.get(place).map(|(_, request)| request);
        visit.unwrap_or_else(|| &self.manage[place - self.visits.len()])
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn delays_have_the_quantiles_they_were_made_of() {
        let delay = Delay::measured(1.0, 3.0, 5.0, 10.0, 0.000_2);
        let mut random = SmallRng::seed_from_u64(7);
        let mut drawn: Vec<f64> = (0..20_000).map(|_| delay.draw(&mut random) * 1e3).collect();
        drawn.sort_by(f64::total_cmp);
        for (share, expected) in [(0.5, 0.8), (0.95, 2.8)] {
            let found = drawn[(drawn.len() as f64 * share) as usize];
            assert!((found / expected - 1.0).abs() < 0.1, "{share}: {found}");
        }
    }

    #[test]
    fn steps_are_drawn_in_their_proportions() {
        let request = Request::plain;
        let steps = Steps {
            visits: vec![(3.0, request(1)), (1.0, request(2))],
            manage: vec![request(5), request(6)],
            manages: 0.2,
            wake_hops: 0,
        };
        let mut random = SmallRng::seed_from_u64(7);
        let drawn: Vec<_> = (0..10_000).map(|_| steps.draw(&mut random)).collect();
        let count = |range| drawn.iter().filter(|drawn| **drawn == range).count();
        assert!((count(0..1) as f64 / 6_000.0 - 1.0).abs() < 0.05 && (count(2..4) as f64 / 2_000.0 - 1.0).abs() < 0.1);
        assert_eq!((steps.request(1).hops, steps.request(3).hops), (2, 6));
    }
}
