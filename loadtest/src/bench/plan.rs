//! The order of the benchmark: rounds of alternating phases, then what is measured once.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header};
use tokio::time::{Instant, sleep};

use super::{
    client::{self, Outcome, Phase, Requests},
    figures::{Figures, Round},
    fleet::{self, Fleet},
    process::cpu_of,
};
use crate::api::{Api, ApiLink};

/// Links that redirects are spread over.
const LINKS: u64 = 2_000;
/// The clicks of a phase must be in the database after so long.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Rounds.
    pub rounds: u32,
    /// How long a phase lasts.
    pub phase: Duration,
    /// Connections of the client.
    pub connections: u64,
}

/// Runs the benchmark on a fleet.
///
/// # Errors
/// Where a part of it does not answer.
pub async fn run(fleet: &Fleet, extent: Extent) -> anyhow::Result<Figures> {
    let (api, alone) = (fleet.api()?, fleet.alone()?.port);
    let (owner, links) = fleet::links(&api, LINKS).await?;
    let follow = following(&links);
    let mut figures = Figures {
        starts_ms: fleet.starts.iter().map(|start| start.as_secs_f64() * 1e3).collect(),
        ..Figures::default()
    };
    // Every code once on every replica, and every path of the client.
    for port in [fleet.bare[0].port, alone, fleet.bare_proxy.port, fleet.proxy.port] {
        phase(extent, Duration::from_secs(1), port, &follow).await?;
    }
    for nth in 1..=extent.rounds {
        let bare = phase(extent, extent.phase, fleet.bare[0].port, &follow).await?;
        let buoy = counted(&api, fleet, extent, alone, &follow).await?;
        let bare_proxied = phase(extent, extent.phase, fleet.bare_proxy.port, &follow).await?;
        let proxied = counted(&api, fleet, extent, fleet.proxy.port, &follow).await?;
        let round = Round::new(&bare, buoy, &bare_proxied, proxied);
        eprintln!("round {nth}: {round}");
        figures.rounds.push(round);
    }
    figures.create_per_second = api_phase(extent, alone, creating(owner), StatusCode::CREATED).await?;
    figures.read_per_second = api_phase(extent, alone, reading(&links), StatusCode::OK).await?;
    figures.list_per_second = api_phase(extent, alone, listing(), StatusCode::OK).await?;
    Ok(figures)
}

/// What a phase against replicas cost, and whether every click is there.
#[derive(Debug)]
pub struct Counted {
    /// What came of it.
    pub outcome: Outcome,
    /// Clicks that are in the database because of it.
    pub stored: u64,
    /// Processor time of all replicas, of PostgreSQL and of Nginx, in microseconds for each redirect.
    pub cpu_us: [f64; 3],
    /// The most memory that a replica had, in MiB.
    pub resident_mib: f64,
}

async fn counted(api: &Api, fleet: &Fleet, extent: Extent, port: u16, follow: &Requests) -> anyhow::Result<Counted> {
    // What an earlier phase left is settled first.
    let before = settled(api, None).await?;
    let cpu = || [fleet.buoys().map(|r| r.cpu_seconds()).sum::<f64>(), cpu_of("postgres"), cpu_of("nginx")];
    let cpu_before = cpu();
    let running = phase(extent, extent.phase, port, follow);
    let mut running = std::pin::pin!(running);
    let mut resident_mib = 0.0_f64;
    let outcome = loop {
        tokio::select! {
            outcome = &mut running => break outcome?,
            () = sleep(Duration::from_millis(250)) => {}
        }
        resident_mib = fleet.buoys().map(|replica| replica.resident_mib()).fold(resident_mib, f64::max);
    };
    let after = settled(api, Some(before + outcome.answered())).await?;
    let each = 1e6 / outcome.answered().max(1) as f64;
    let cpu_after = cpu();
    let cpu_us = std::array::from_fn(|part| (cpu_after[part] - cpu_before[part]) * each);
    Ok(Counted { outcome, stored: after - before, cpu_us, resident_mib })
}

/// Clicks in the database: as soon as there are so many, or once their number stands still.
async fn settled(api: &Api, expected: Option<u64>) -> anyhow::Result<u64> {
    let until = Instant::now() + SETTLED_WITHIN;
    let mut last = None;
    loop {
        let clicks = api.all_clicks().await?;
        let stands_still = expected.is_none() && last == Some(clicks);
        if expected == Some(clicks) || stands_still || Instant::now() > until {
            return Ok(clicks);
        }
        last = Some(clicks);
        sleep(Duration::from_millis(400)).await;
    }
}

async fn phase(extent: Extent, duration: Duration, port: u16, requests: &Requests) -> anyhow::Result<Outcome> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let requests = Arc::clone(requests);
    client::run(&Phase { address, requests, expected: StatusCode::FOUND, connections: extent.connections, duration })
        .await
}

async fn api_phase(extent: Extent, port: u16, requests: Requests, expected: StatusCode) -> anyhow::Result<f64> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let duration = extent.phase / 3;
    let outcome =
        client::run(&Phase { address, requests, expected, connections: extent.connections, duration }).await?;
    anyhow::ensure!(outcome.tally.failed == 0, "{} requests of {expected} failed", outcome.tally.failed);
    Ok(outcome.per_second())
}

fn following(links: &[ApiLink]) -> Requests {
    let paths: Vec<String> = links.iter().map(|link| format!("/{}", link.short_code)).collect();
    Arc::new(move |nth| get(&paths[index(nth, paths.len())]))
}

fn reading(links: &[ApiLink]) -> Requests {
    let paths: Vec<String> = links.iter().map(|link| format!("/urls/{}", link.id)).collect();
    Arc::new(move |nth| get(&paths[index(nth, paths.len())]))
}

fn listing() -> Requests {
    Arc::new(|nth| get(&format!("/urls?page={}&per_page=50", nth % 40 + 1)))
}

fn creating(owner: i64) -> Requests {
    Arc::new(move |nth| {
        let body = format!(r#"{{"user_id":{owner},"original_url":"https://www.example.com/created/{nth}"}}"#);
        request(Method::POST, "/urls", body.into())
    })
}

/// Spreads requests over all of `len`, neighbours apart.
fn index(nth: u64, len: usize) -> usize {
    (nth.wrapping_mul(7_919) % len as u64) as usize
}

fn get(path: &str) -> Request<Full<Bytes>> {
    request(Method::GET, path, Bytes::new())
}

#[expect(clippy::expect_used, reason = "codes and numbers make sound paths")]
fn request(method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1")
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .context("a request")
        .expect("the path is sound")
}
