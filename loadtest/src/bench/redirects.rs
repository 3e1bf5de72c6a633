//! Rounds of redirects, against one replica or three behind Nginx.
//!
//! A round counts only if the database has exactly one click for each redirect that buoy answered.

use std::time::Duration;

use hyper::StatusCode;
use tokio::time::{Instant, sleep};

use super::{
    client::{self, Extent, Outcome, Phase, Requests},
    figures::{Pair, Redirects},
    process::{Server, cpu_of},
    requests, servers,
};
use crate::api::Api;

/// Links that redirects are spread over.
const LINKS: u64 = 2_000;
/// Until then the clicks of a phase must be in the database.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(1);

/// The servers of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// The port that leads to the bare handlers.
    pub bare: u16,
    /// The port that leads to the replicas.
    pub buoy: u16,
    /// The replicas.
    pub replicas: &'a [Server],
}

/// Measures rounds of redirects; `owner` is the name of a user that is created for the links.
///
/// # Errors
/// A server does not answer.
pub async fn run(sides: Sides<'_>, extent: Extent, owner: &str) -> anyhow::Result<Vec<Redirects>> {
    let api = servers::api(&sides.replicas[0])?;
    let owner = api.create_user(owner).await?;
    let follow = requests::follow(&servers::create_links(&api, owner, LINKS).await?);
    for port in [sides.bare, sides.buoy] {
        phase(port, WARM_UP, extent, &follow).await?;
    }
    let mut rounds = Vec::new();
    for nth in 1..=extent.rounds {
        let bare = phase(sides.bare, extent.phase, extent, &follow).await?;
        let round = counted(&api, sides, extent, &follow, &bare).await?;
        eprintln!("round {nth}: {round}");
        rounds.push(round);
    }
    Ok(rounds)
}

/// A phase against replicas, which completes the round.
async fn counted(
    api: &Api,
    sides: Sides<'_>,
    extent: Extent,
    follow: &Requests,
    bare: &Outcome,
) -> anyhow::Result<Redirects> {
    let before = settled(api, None).await?;
    let cpu_before = cpu(sides.replicas);
    let running = phase(sides.buoy, extent.phase, extent, follow);
    let mut running = std::pin::pin!(running);
    let mut resident_mib = 0.0_f64;
    let buoy = loop {
        tokio::select! {
            outcome = &mut running => break outcome?,
            () = sleep(Duration::from_millis(250)) => {}
        }
        resident_mib = sides.replicas.iter().map(Server::resident_mib).fold(resident_mib, f64::max);
    };
    let answered = buoy.answered();
    let stored = settled(api, Some(before + answered)).await? - before;
    let cpu_after = cpu(sides.replicas);
    let cpu_us = std::array::from_fn(|part| (cpu_after[part] - cpu_before[part]) * 1e6 / answered.max(1) as f64);
    let rates = Pair { bare: bare.per_second(), buoy: buoy.per_second() };
    Ok(Redirects { rates, answered, stored, failed: bare.tally.failed + buoy.tally.failed, cpu_us, resident_mib })
}

/// Processor seconds of the replicas, of PostgreSQL and of Nginx.
fn cpu(replicas: &[Server]) -> [f64; 3] {
    [replicas.iter().map(Server::cpu_seconds).sum(), cpu_of("postgres"), cpu_of("nginx")]
}

/// Clicks in the database: as soon as there are as many as expected, or once their number does not change.
async fn settled(api: &Api, expected: Option<u64>) -> anyhow::Result<u64> {
    let until = Instant::now() + SETTLED_WITHIN;
    let mut last = None;
    loop {
        let clicks = api.all_clicks().await?;
        let is_steady = expected.is_none() && last == Some(clicks);
        if expected == Some(clicks) || is_steady || Instant::now() > until {
            return Ok(clicks);
        }
        last = Some(clicks);
        sleep(Duration::from_millis(400)).await;
    }
}

async fn phase(port: u16, duration: Duration, extent: Extent, requests: &Requests) -> anyhow::Result<Outcome> {
    let (requests, connections) = (Requests::clone(requests), extent.connections);
    client::run(&Phase { port, requests, expected: StatusCode::FOUND, connections, duration }).await
}
