//! The one client of all phases: connections that are kept, each with one request at a time.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

use crate::recorder::Tally;

/// What the n-th request of a phase is.
pub type Requests = Arc<dyn Fn(u64) -> Request<Full<Bytes>> + Send + Sync>;

/// What a phase sends, where to, and what it expects.
#[derive(Clone)]
pub struct Phase {
    /// Where to.
    pub address: SocketAddr,
    /// What.
    pub requests: Requests,
    /// The status that counts as success.
    pub expected: StatusCode,
    /// How many connections.
    pub connections: u64,
    /// How long.
    pub duration: Duration,
}

/// What came of a phase.
#[derive(Debug)]
pub struct Outcome {
    /// The requests.
    pub tally: Tally,
    /// How long it took in fact.
    pub took: Duration,
}

impl Outcome {
    /// Answers as expected per second.
    pub fn per_second(&self) -> f64 {
        self.answered() as f64 / self.took.as_secs_f64()
    }

    /// Answers as expected.
    pub fn answered(&self) -> u64 {
        self.tally.requests - self.tally.failed
    }
}

/// Runs a phase.
///
/// # Errors
/// Where nothing listens.
pub async fn run(phase: &Phase) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut connections = JoinSet::new();
    for nth in 0..phase.connections {
        connections.spawn(drive(phase.clone(), nth, started + phase.duration));
    }
    let mut tally = Tally::default();
    while let Some(part) = connections.join_next().await {
        let part = part.context("a connection's task panicked")??;
        tally.requests += part.requests;
        tally.failed += part.failed;
        tally.latencies.add(&part.latencies).context("histograms differ")?;
    }
    Ok(Outcome { tally, took: started.elapsed() })
}

/// Sends one request after the other, on a new connection where the server has closed the old one.
async fn drive(phase: Phase, first: u64, until: Instant) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut sender = connect(phase.address).await?;
    let mut nth = first;
    while Instant::now() < until {
        if sender.ready().await.is_err() {
            sender = connect(phase.address).await?;
        }
        let began = Instant::now();
        let is_right = answered(&mut sender, (phase.requests)(nth), phase.expected).await;
        tally.add(began.elapsed(), !is_right);
        nth += phase.connections;
    }
    Ok(tally)
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nothing listens on {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}

async fn answered(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>, expected: StatusCode) -> bool {
    let Ok(mut response) = sender.send_request(request).await else { return false };
    let is_right = response.status() == expected;
    while let Some(frame) = response.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    is_right
}
