//! What all users of a run share: the links they visit, and the recorder of what they saw.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::ensure;
use rand::{
    Rng, RngExt as _,
    distr::{Distribution as _, weighted::WeightedIndex},
};

use crate::{api::Api, pace::Pace, recorder::Recorder};

/// Of 1,000 visits, so many follow a code that no link has.
const UNKNOWN_PER_MILLE: u32 = 20;
/// Of 1,000 visits, so many follow a link that is not active.
const INACTIVE_PER_MILLE: u32 = 10;

/// A prepared link.
#[derive(Debug)]
pub struct Link {
    /// Its id.
    pub id: i64,
    /// Its short code.
    pub code: String,
    /// Its target.
    pub target: String,
    /// How often it was followed and answered with a redirect.
    pub made: AtomicU64,
    /// How often it was followed without an answer: the click may have been counted or not.
    pub unsure: AtomicU64,
}

impl Link {
    /// A link without clicks.
    pub fn new(id: i64, code: String, target: String) -> Self {
        Self { id, code, target, made: AtomicU64::new(0), unsure: AtomicU64::new(0) }
    }

    /// Clicks made, and those of which it is not known whether they were.
    pub fn clicks(&self) -> (u64, u64) {
        (self.made.load(Ordering::Relaxed), self.unsure.load(Ordering::Relaxed))
    }
}

/// What a visit follows.
#[derive(Debug)]
pub enum Visit<'a> {
    /// A link that redirects.
    Active(&'a Link),
    /// A link that does not.
    Inactive(&'a Link),
    /// A code that no link has.
    Unknown(String),
}

/// What all users share.
#[derive(Debug)]
pub struct World {
    /// The deployment.
    pub api: Api,
    /// Active links, the most popular first.
    pub links: Vec<Link>,
    /// Links that are not active.
    pub inactive: Vec<Link>,
    /// Who owns the links.
    pub owner: i64,
    /// Whether the owner was created for this run.
    pub owner_is_ours: bool,
    /// The law of popularity.
    pub law: WeightedIndex<f64>,
    /// When visits are due, if a rate is given.
    pub pace: Option<Pace>,
    /// The recorder of requests.
    pub recorder: Recorder,
}

impl World {
    /// Draws what the next visit follows.
    pub fn draw(&self, random: &mut impl Rng) -> Visit<'_> {
        let draw = random.random_range(0..1_000);
        if draw < UNKNOWN_PER_MILLE {
            // A `-` is in no generated code.
            return Visit::Unknown(format!("no-{:08x}", random.random::<u32>()));
        }
        if draw < UNKNOWN_PER_MILLE + INACTIVE_PER_MILLE && !self.inactive.is_empty() {
            return Visit::Inactive(&self.inactive[random.random_range(0..self.inactive.len())]);
        }
        Visit::Active(&self.links[self.law.sample(random)])
    }
}

/// A Zipf law: of `links` links the n-th is followed in proportion to 1 / n to the power of `exponent`.
///
/// # Errors
/// An exponent below 0.
pub fn zipf(links: u32, exponent: f64) -> anyhow::Result<WeightedIndex<f64>> {
    ensure!(exponent >= 0.0, "--zipf is to be 0 or more");
    Ok(WeightedIndex::new((1..=links).map(|rank| f64::from(rank).powf(-exponent)))?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn world(links: u32, exponent: f64) -> World {
        let link = |n| Link::new(n, format!("c{n}"), String::new());
        World {
            api: Api::new(&"http://127.0.0.1".parse().unwrap(), None, Duration::from_secs(1)).unwrap(),
            links: (0..i64::from(links)).map(link).collect(),
            inactive: vec![link(-1)],
            owner: 1,
            owner_is_ours: true,
            law: zipf(links, exponent).unwrap(),
            pace: None,
            recorder: Recorder::new(),
        }
    }

    #[tokio::test]
    async fn popularity_follows_the_law() {
        let world = world(1_000, 1.0);
        let mut random = StdRng::seed_from_u64(7);
        let mut seen = vec![0_u32; 1_000];
        let (mut unknown, mut inactive) = (0, 0);
        for _ in 0..200_000 {
            match world.draw(&mut random) {
                Visit::Active(link) => seen[usize::try_from(link.id).unwrap()] += 1,
                Visit::Inactive(_) => inactive += 1,
                Visit::Unknown(_) => unknown += 1,
            }
        }
        // The n-th is followed 1/n as often as the first; the first takes 1/H(1000) = 13.4 % of 194,000.
        assert!((seen[0] as f64 / 25_920.0 - 1.0).abs() < 0.03, "{}", seen[0]);
        for rank in [2, 5, 10] {
            let share = f64::from(seen[rank - 1]) / f64::from(seen[0]) * rank as f64;
            assert!((share - 1.0).abs() < 0.06, "rank {rank}: {share}");
        }
        assert!((3_700..4_300).contains(&unknown), "{unknown}");
        assert!((1_800..2_200).contains(&inactive), "{inactive}");
    }

    #[tokio::test]
    async fn an_exponent_of_nothing_makes_all_alike() {
        let world = world(4, 0.0);
        let mut random = StdRng::seed_from_u64(7);
        let mut seen = [0_u32; 4];
        for _ in 0..10_000 {
            if let Visit::Active(link) = world.draw(&mut random) {
                seen[usize::try_from(link.id).unwrap()] += 1;
            }
        }
        assert!(seen.iter().all(|n| (2_250..2_600).contains(n)), "{seen:?}");
    }
}
