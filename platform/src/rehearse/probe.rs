//! Health checks with the spec's own numbers.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, StatusCode};
use tokio::{
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use crate::spec::Probe;

/// What probes decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It failed as often as the spec allows before it was ever ready.
    NeverReady(String),
    /// Liveness failed as often as the spec allows.
    Dead,
}

/// Applies the readiness probe. `tell` hears of each change; the probe returns only for an instance that was never
/// ready.
pub(super) async fn readiness(address: SocketAddr, probe: &Probe, was_ready: bool, tell: impl Fn(bool)) -> Verdict {
    let (mut was_ready, mut is_ready) = (was_ready, false);
    let (mut good, mut bad) = (0, 0);
    let mut asker = Asker::new(address, probe);
    loop {
        match asker.ask().await {
            Ok(()) => (good, bad) = (good + 1, 0),
            Err(reason) => {
                (good, bad) = (0, bad + 1);
                if bad >= probe.failure && !was_ready {
                    return Verdict::NeverReady(reason);
                }
            }
        }
        if !is_ready && good >= probe.success {
            (is_ready, was_ready) = (true, true);
            tell(true);
        } else if is_ready && bad >= probe.failure {
            is_ready = false;
            tell(false);
        }
    }
}

/// Applies the liveness probe, and returns when it has failed as often as the spec allows.
pub(super) async fn until_dead(address: SocketAddr, probe: &Probe) {
    let mut asker = Asker::new(address, probe);
    let mut bad = 0;
    while bad < probe.failure {
        bad = if asker.ask().await.is_ok() { 0 } else { bad + 1 };
    }
}

/// Asks once a period.
struct Asker<'a> {
    address: SocketAddr,
    probe: &'a Probe,
    client: Client,
    ticks: tokio::time::Interval,
}

impl<'a> Asker<'a> {
    fn new(address: SocketAddr, probe: &'a Probe) -> Self {
        let first = Instant::now() + Duration::from_secs(probe.initial_delay.into());
        let mut ticks = interval_at(first, Duration::from_secs(probe.period.into()));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { address, probe, client: client(Duration::from_secs(probe.timeout.into())), ticks }
    }

    async fn ask(&mut self) -> Result<(), String> {
        self.ticks.tick().await;
        let limit = Duration::from_secs(self.probe.timeout.into());
        let Some(path) = &self.probe.http_path else {
            return match timeout(limit, TcpStream::connect(self.address)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no connection in time".to_owned()),
            };
        };
        let answer = self.client.get(format!("http://{}{path}", self.address)).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(refusal(answer.status(), &answer.text().await.unwrap_or_default())),
            Err(error) => Err(format!("{path} does not answer: {error}")),
        }
    }
}

fn refusal(status: StatusCode, body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    format!("{status}: {}", body["detail"].as_str().unwrap_or_default())
}

/// A client that follows nothing, asks no proxy and opens a connection for each probe.
pub(super) fn client(limit: Duration) -> Client {
    let builder = buoy::outbound::client().timeout(limit).pool_max_idle_per_host(0);
    builder.build().expect("the client needs nothing that can fail")
}
