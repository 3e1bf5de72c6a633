//! Load that is bounded in time, in requests and in concurrency, and that remembers every answer.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, ensure};
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::report::ms;

/// No load runs longer, whatever a scenario forgets to stop.
const TIME_LIMIT: Duration = Duration::from_secs(150);
/// No worker sends more.
const REQUEST_LIMIT: u64 = 50_000;

/// One request to be sent.
pub(crate) struct Ask {
    pub(crate) kind: &'static str,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) body: Option<Value>,
}

impl Ask {
    /// A GET, which is a reader's.
    pub(crate) fn get(url: String) -> Self {
        Self { kind: "GET", method: Method::GET, url, body: None }
    }

    /// A POST of `body`.
    pub(crate) fn post(url: String, body: Value) -> Self {
        Self { kind: "POST", method: Method::POST, url, body: Some(body) }
    }
}

/// What became of a request.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) kind: &'static str,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// The status, or how the connection failed.
    pub(crate) status: Result<u16, String>,
    pub(crate) replica: String,
    pub(crate) retry_after: bool,
    pub(crate) location: Option<String>,
}

/// Which request comes next, from the worker's number and how many it has sent.
type Source = Arc<dyn Fn(u64, u64) -> Ask + Send + Sync>;

/// Load that runs until it is stopped.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    workers: JoinSet<Vec<Sample>>,
}

impl Load {
    /// Starts `workers` that each send one request after the other over a connection of their own, resting in between.
    pub(crate) fn start(
        workers: u64,
        rest: Duration,
        source: impl Fn(u64, u64) -> Ask + Send + Sync + 'static,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let source: Source = Arc::new(source);
        let mut set = JoinSet::new();
        for worker in 0..workers {
            set.spawn(work(worker, rest, Arc::clone(&source), stopped.clone()));
        }
        Self { stop, workers: set }
    }

    /// Stops the load and answers every sample, in the order in which the requests began.
    pub(crate) async fn stop(mut self) -> Result<Samples> {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        while let Some(samples) = self.workers.join_next().await {
            all.extend(samples?);
        }
        all.sort_by_key(|sample| sample.began);
        ensure!(!all.is_empty(), "the load sent no request");
        Ok(Samples(all))
    }
}

async fn work(worker: u64, rest: Duration, source: Source, stopped: watch::Receiver<bool>) -> Vec<Sample> {
    let client = crate::api::client(Duration::from_secs(15));
    let began = Instant::now();
    let mut samples = Vec::new();
    for number in 0..REQUEST_LIMIT {
        if *stopped.borrow() || began.elapsed() > TIME_LIMIT {
            break;
        }
        samples.push(send(&client, source(worker, number)).await);
        tokio::time::sleep(rest).await;
    }
    samples
}

async fn send(client: &Client, ask: Ask) -> Sample {
    let began = Instant::now();
    let mut request = client.request(ask.method, ask.url);
    if let Some(body) = &ask.body {
        request = request.json(body);
    }
    let mut sample = Sample {
        kind: ask.kind,
        began,
        took: Duration::ZERO,
        status: Err("not sent".to_owned()),
        replica: String::new(),
        retry_after: false,
        location: None,
    };
    match request.send().await {
        Err(error) => sample.status = Err(format!("{:#}", anyhow::Error::new(error))),
        Ok(answer) => {
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            sample.replica = header("x-replica").unwrap_or_default();
            sample.retry_after = header("retry-after").is_some();
            sample.location = header("location");
            let status = answer.status().as_u16();
            sample.status = answer.bytes().await.map(|_| status).map_err(|error| format!("body cut off: {error}"));
        }
    }
    sample.took = began.elapsed();
    sample
}

impl Sample {
    /// When it was answered.
    pub(crate) fn ended(&self) -> Instant {
        self.began + self.took
    }

    /// Whether the client got what it came for.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.status, Ok(200..=399))
    }

    /// Whether the client was told to come back.
    pub(crate) fn is_told_to_wait(&self) -> bool {
        self.status == Ok(503) && self.retry_after
    }
}

/// Samples of one load, or some of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(pub(crate) Vec<Sample>);

impl Samples {
    /// Those for which `test` holds.
    pub(crate) fn only(&self, test: impl Fn(&Sample) -> bool) -> Self {
        Self(self.0.iter().filter(|sample| test(sample)).cloned().collect())
    }

    /// Those that began and ended between two moments.
    pub(crate) fn within(&self, from: Instant, to: Instant) -> Self {
        self.only(|sample| sample.began >= from && sample.ended() <= to)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn failed(&self) -> Self {
        self.only(|sample| !sample.is_good())
    }

    /// The time within which the given part of the requests was answered.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        let mut times: Vec<Duration> = self.0.iter().map(|sample| sample.took).collect();
        quantile(&mut times, part)
    }

    /// Which replicas answered.
    pub(crate) fn replicas(&self) -> HashSet<&str> {
        self.0.iter().map(|sample| sample.replica.as_str()).filter(|replica| !replica.is_empty()).collect()
    }

    /// Fails if one of these was not answered well, saying how.
    pub(crate) fn all_good(&self) -> Result<()> {
        let failed = self.failed();
        ensure!(failed.0.is_empty(), "{} of {} requests failed: {}", failed.len(), self.len(), failed.ways());
        Ok(())
    }

    /// How often each outcome was seen.
    pub(crate) fn ways(&self) -> String {
        let mut ways: BTreeMap<String, usize> = BTreeMap::new();
        for sample in &self.0 {
            let way = match &sample.status {
                Ok(status) => status.to_string(),
                Err(error) => error.clone(),
            };
            *ways.entry(format!("{} {way}", sample.kind)).or_default() += 1;
        }
        ways.into_iter().map(|(way, count)| format!("{count} x {way}")).collect::<Vec<_>>().join(", ")
    }

    /// Count and times in words.
    pub(crate) fn figures(&self) -> String {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| ms(self.quantile(part)));
        format!("{} requests, {} failed, p50 {p50}, p99 {p99}, longest {max}", self.len(), self.failed().len())
    }
}

/// The value below which the given part of `times` lies.
pub(crate) fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length is an index")]
    let index = (times.len() as f64 * part).ceil() as usize;
    times.get(index.saturating_sub(1)).copied().unwrap_or_default()
}
