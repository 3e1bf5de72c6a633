//! The client of all phases: connections with keep-alive, each with one request at a time.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

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

/// A request of a phase.
pub type ApiRequest = Request<Full<Bytes>>;

/// The n-th request of a phase; none ends the connection that asks for it.
pub type Requests = Arc<dyn Fn(u64) -> Option<ApiRequest> + Send + Sync>;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Rounds of alternating phases.
    pub rounds: u32,
    /// How long a phase lasts.
    pub phase: Duration,
    /// Connections of the client.
    pub connections: u64,
}

/// What a phase sends, to which server, and what it expects.
#[derive(Clone)]
pub struct Phase {
    /// The server's port on loopback.
    pub port: u16,
    /// The requests.
    pub requests: Requests,
    /// The status that counts as success.
    pub expected: StatusCode,
    /// How many connections.
    pub connections: u64,
    /// How long; shorter if the requests run out.
    pub duration: Duration,
}

/// The result of a phase.
#[derive(Debug)]
pub struct Outcome {
    /// The requests.
    pub tally: Tally,
    /// From its start to its last answer.
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
/// The server does not listen, or no longer.
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

/// Sends one request after the other; connects again if the server has closed the connection.
async fn drive(phase: Phase, first: u64, until: Instant) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, phase.port));
    let mut sender = connect(address).await?;
    let mut nth = first;
    while Instant::now() < until
        && let Some(request) = (phase.requests)(nth)
    {
        if sender.ready().await.is_err() {
            sender = connect(address).await?;
        }
        let began = Instant::now();
        let is_right = answered(&mut sender, request, phase.expected).await;
        tally.add(began.elapsed(), !is_right);
        nth += phase.connections;
    }
    Ok(tally)
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nothing listens on {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its task ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}

async fn answered(sender: &mut SendRequest<Full<Bytes>>, request: ApiRequest, expected: StatusCode) -> bool {
    let Ok(mut response) = sender.send_request(request).await else { return false };
    let is_right = response.status() == expected;
    while let Some(frame) = response.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    is_right
}
