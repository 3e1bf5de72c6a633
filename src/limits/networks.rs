//! Token buckets of networks, which each replica keeps for itself: `governor` over a bounded table.
//!
//! Promises: the table has a bound, and no flood of networks resets a bucket that is in use; the networks that find
//! no room share one bucket. Leaves out: how many replicas there are, which divides the rate, and what becomes of a
//! refused request.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use ipnet::IpNet;
use tokio::time::Instant;

use super::subject::wider;
use crate::domain::RateLimit;

/// Networks that have a bucket of their own at most.
const CAPACITY: usize = 10_000;
/// How often buckets that are full again are dropped: no address stays for longer than it is limited.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// The same if the table is full.
const SWEEP_FULL_EVERY: Duration = Duration::from_secs(1);
/// The /48 around an IPv6 client: what a site has. Its bucket is so many times a client's.
const SITE: u8 = 48;
const SITE_FACTOR: u32 = 8;

/// The buckets of one policy.
#[derive(Debug)]
pub(super) struct Networks {
    limiter: RateLimiter<Probe, Table, DefaultClock, StateInformationMiddleware>,
    burst: NonZeroU32,
    swept: Mutex<Option<Instant>>,
}

/// A question to one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Probe {
    network: IpNet,
    /// Whether the token is taken, or only looked for.
    takes: bool,
}

/// The state of each bucket; under `None` that of all networks without one of their own.
#[derive(Debug, Default)]
struct Table(Mutex<HashMap<Option<IpNet>, Nanos>>);

impl Networks {
    pub(super) fn new(limit: RateLimit) -> Self {
        // A client pays with as many cells as its site may have clients that do the same.
        let cells = |number: u32| NonZeroU32::MIN.saturating_add(number.saturating_mul(SITE_FACTOR) - 1);
        let burst = cells(limit.burst.max(1));
        let interval = (limit.interval() / SITE_FACTOR).max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        let limiter = RateLimiter::new(quota, Table::default(), DefaultClock::default());
        Self { limiter, burst, swept: Mutex::default() }
    }

    /// Takes a token of a network, or only looks for one; the rate and the burst are divided by `replicas`. Answers
    /// the tokens that are left, or after how long there is one.
    pub(super) fn ask(&self, network: IpNet, replicas: u32, takes: bool) -> Result<u32, Duration> {
        self.sweep();
        let price = SITE_FACTOR.saturating_mul(replicas.max(1));
        let left = self.pay(Probe { network, takes }, price)?;
        if network.addr().is_ipv6() {
            self.pay(Probe { network: wider(network, SITE), takes }, replicas.max(1))?;
        }
        Ok(left)
    }

    /// Pays a price in cells; one that is more than the bucket holds costs the whole bucket.
    fn pay(&self, probe: Probe, price: u32) -> Result<u32, Duration> {
        let price = NonZeroU32::MIN.saturating_add(price - 1).min(self.burst);
        match self.limiter.check_key_n(&probe, price) {
            Ok(Ok(state)) => Ok(state.remaining_burst_capacity() / price),
            Ok(Err(refused)) => Err(refused.wait_time_from(self.limiter.clock().now())),
            // The price is at most the burst.
            Err(_) => Err(Duration::MAX),
        }
    }

    fn sweep(&self) {
        let every = if self.limiter.len() < CAPACITY { SWEEP_EVERY } else { SWEEP_FULL_EVERY };
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|swept| swept.elapsed() >= every) {
            *swept = Some(Instant::now());
            self.limiter.retain_recent();
        }
    }
}

impl Table {
    fn buckets(&self) -> MutexGuard<'_, HashMap<Option<IpNet>, Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Table {
    type Key = Probe;

    fn measure_and_replace<T, F, E>(&self, probe: &Probe, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut buckets = self.buckets();
        let own = Some(probe.network);
        let key = if buckets.contains_key(&own) || buckets.len() < CAPACITY { own } else { None };
        let (outcome, state) = measure(buckets.get(&key).copied())?;
        if probe.takes {
            buckets.insert(key, state);
        }
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Probe> for Table {
    fn retain_recent(&self, full_before: Nanos) {
        self.buckets().retain(|_, full_at| *full_at > full_before);
    }

    fn len(&self) -> usize {
        self.buckets().len()
    }

    fn is_empty(&self) -> bool {
        self.buckets().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No bucket refills while a test runs.
    const SLOW: RateLimit = RateLimit { tokens: 1, window: Duration::from_secs(3_600), burst: 6 };

    fn network(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    /// How many tokens there were.
    fn drain(networks: &Networks, network: IpNet, replicas: u32) -> usize {
        (0..1_000).take_while(|_| networks.ask(network, replicas, true).is_ok()).count()
    }

    #[test]
    fn a_bucket_holds_its_burst_divided_by_the_replicas() {
        for (replicas, expected) in [(0, 6), (1, 6), (2, 3), (3, 2), (4, 1), (100, 1)] {
            let networks = Networks::new(SLOW);
            assert_eq!(drain(&networks, network("203.0.113.1/32"), replicas), expected, "{replicas} replicas");
        }
        let networks = Networks::new(SLOW);
        assert_eq!(networks.ask(network("203.0.113.1/32"), 2, true), Ok(2));
        assert_eq!(drain(&networks, network("203.0.113.1/32"), 2), 2);
        let wait = networks.ask(network("203.0.113.1/32"), 2, true).unwrap_err();
        assert!(wait > Duration::from_secs(7_100) && wait <= Duration::from_secs(7_200), "{wait:?}");
    }

    #[test]
    fn looking_takes_nothing() {
        let (networks, client) = (Networks::new(SLOW), network("203.0.113.1/32"));
        assert!((0..100).all(|_| networks.ask(client, 1, false).is_ok()));
        assert_eq!(drain(&networks, client, 1), 6);
        assert!(networks.ask(client, 1, false).is_err());
    }

    #[test]
    fn a_site_has_eight_times_what_a_client_has() {
        let networks = Networks::new(SLOW);
        let clients = (0..100).map(|nth| network(&format!("2001:db8:1:{nth:x}::/64")));
        assert_eq!(clients.map(|client| drain(&networks, client, 1)).sum::<usize>(), 8 * 6);
        assert_eq!(drain(&networks, network("2001:db8:2:1::/64"), 1), 6, "another site");
    }

    #[test]
    fn a_client_that_goes_on_takes_nothing_of_its_site() {
        let networks = Networks::new(SLOW);
        for _ in 0..1_000 {
            networks.ask(network("2001:db8:1:1::/64"), 1, true).ok();
        }
        assert_eq!(drain(&networks, network("2001:db8:1:2::/64"), 1), 6);
    }

    #[test]
    fn no_flood_of_networks_resets_a_bucket_or_takes_more_memory() {
        let networks = Networks::new(SLOW);
        let client = network("203.0.113.1/32");
        assert_eq!(drain(&networks, client, 1), 6);
        let flood = (0..50_000_u32).map(|nth| IpNet::from(std::net::IpAddr::from((nth + (10 << 24)).to_be_bytes())));
        let admitted = flood.filter(|network| networks.ask(*network, 1, true).is_ok()).count();
        assert_eq!(admitted, CAPACITY - 1 + 6, "those beyond the bound share one bucket");
        assert_eq!(networks.limiter.len(), CAPACITY + 1);
        assert!(networks.ask(client, 1, true).is_err());
    }

    #[test]
    fn buckets_that_are_full_again_make_room() {
        let networks = Networks::new(RateLimit { tokens: 1_000_000, window: Duration::from_secs(1), burst: 1 });
        for nth in 0..u32::try_from(CAPACITY).unwrap() {
            networks.ask(IpNet::from(std::net::IpAddr::from(nth.to_be_bytes())), 1, true).ok();
        }
        std::thread::sleep(SWEEP_FULL_EVERY);
        assert_eq!(networks.ask(network("203.0.113.1/32"), 1, true), Ok(0));
        assert_eq!(networks.limiter.len(), 1);
    }
}
