//! Compares the clicks that were made with those that were counted.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tokio::time::Instant;

use crate::world::{Link, World};

/// Requests for statistics in flight.
const CONCURRENCY: usize = 8;
const PAUSE: Duration = Duration::from_millis(500);

/// Clicks made and counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Clicks {
    /// Redirects that were answered.
    pub made: u64,
    /// Visits without an answer, of which it is not known whether they count.
    pub unsure: u64,
    /// What the statistics of the links say.
    pub counted: u64,
    /// By how much the links differ, summed up, over what the unsure visits explain.
    pub difference: u64,
}

/// Asks each link's statistics until they agree with what was made, for `limit` at most: clicks are written a moment
/// after the redirect.
///
/// # Errors
/// The deployment does not answer.
pub async fn compare(world: &World, limit: Duration) -> anyhow::Result<Clicks> {
    let until = Instant::now() + limit;
    let mut sum = Clicks::default();
    let mut open: Vec<&Link> = world.links.iter().chain(&world.inactive).collect();
    loop {
        let found = ask(world, &open).await?;
        let is_last = Instant::now() >= until;
        let (settled, rest): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(link, counted)| is_last || differs_by(link, *counted) == 0);
        for (link, counted) in settled {
            let (made, unsure) = link.clicks();
            sum.made += made;
            sum.unsure += unsure;
            sum.counted += counted;
            sum.difference += differs_by(link, counted);
        }
        open = rest.into_iter().map(|(link, _)| link).collect();
        if open.is_empty() {
            return Ok(sum);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask<'a>(world: &World, links: &[&'a Link]) -> anyhow::Result<Vec<(&'a Link, u64)>> {
    // Owned by the stream, whose futures outlive this borrow otherwise.
    let links = links.to_vec();
    stream::iter(links)
        .map(|link| async move { anyhow::Ok((link, world.api.clicks(link.id).await?)) })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

fn differs_by(link: &Link, counted: u64) -> u64 {
    let (made, unsure) = link.clicks();
    if counted < made { made - counted } else { (counted - made).saturating_sub(unsure) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn only_unsure_visits_excuse_a_click_too_many() {
        let link = Link::new(1, "a".into(), "b".into());
        link.made.store(10, Ordering::Relaxed);
        link.unsure.store(2, Ordering::Relaxed);
        assert_eq!([7, 10, 12, 13].map(|counted| differs_by(&link, counted)), [3, 0, 0, 1]);
    }
}
