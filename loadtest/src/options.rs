//! What the command line says.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

/// Seconds by which thousands of users start late, and until they behave like the others.
const SETTLES: usize = 10;

/// Loads a deployment of buoy, checks its answers, and compares clicks made with clicks counted.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Options {
    /// The deployment's address, for example http://127.0.0.1:8080.
    #[arg(long, env = "BUOY_HOST")]
    pub host: String,
    /// Concurrent users.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub users: u32,
    /// Seconds that the load lasts, once every user has started.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// Users that start per second; by default all within five seconds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub start_rate: Option<u32>,
    /// Milliseconds that a user waits after each step.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub think_ms: u32,
    /// Visits per second that are due, shared by all users, fewer while these start; latency is then measured from
    /// when a visit was due.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// What users do.
    #[arg(long, value_enum, default_value_t = Mix::Mixed)]
    pub scenario: Mix,
    /// Links that are prepared and visited.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub links: u32,
    /// The exponent of the Zipf law by which links are popular; 0 makes all alike.
    #[arg(long, default_value_t = 1.0)]
    pub zipf: f64,
    /// A bearer token, if the deployment asks for one.
    #[arg(long, env = "BUOY_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// An existing user who is to own the links, if users cannot be created; then only the links are removed.
    #[arg(long)]
    pub user_id: Option<i64>,
    /// Seconds after which a request counts as failed.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub timeout: u32,
    /// Seconds that clicks may take until they are counted.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub settle_seconds: u32,
    /// Failed requests allowed, in percent.
    #[arg(long, default_value_t = 0.0)]
    pub max_error_rate: f64,
    /// Milliseconds that 95 of 100 requests may take at most.
    #[arg(long)]
    pub max_p95_ms: Option<f64>,
    /// Milliseconds that 99 of 100 requests may take at most.
    #[arg(long)]
    pub max_p99_ms: Option<f64>,
    /// Requests per second that must be answered at least.
    #[arg(long)]
    pub min_rate: Option<f64>,
    /// Clicks that may differ between made and counted.
    #[arg(long, default_value_t = 0)]
    pub max_click_difference: u64,
    /// The folder for report.html and report.json.
    #[arg(long, default_value = "target/loadtest")]
    pub output: PathBuf,
    /// Loads a host on the public internet, which is refused otherwise. It must be yours.
    #[arg(long)]
    pub yes_load_this_host: bool,
}

/// What users do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// Follow links.
    Visit,
    /// Create, list, update, follow and delete links.
    Manage,
    /// 95 steps of visiting to 5 of managing.
    Mixed,
}

impl Options {
    /// Users that start per second.
    pub fn users_per_second(&self) -> u32 {
        self.start_rate.unwrap_or_else(|| self.users.div_ceil(5).max(1))
    }

    /// How long users take to start.
    pub fn starting(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.users) / f64::from(self.users_per_second()))
    }

    /// The longest wait for clicks to be counted.
    pub fn settle_limit(&self) -> Duration {
        Duration::from_secs(self.settle_seconds.into())
    }

    /// The whole seconds, counted from the start, in which every user is active and none is new.
    pub fn steady(&self) -> std::ops::Range<usize> {
        let whole = |seconds: u32| usize::try_from(seconds).unwrap_or(usize::MAX);
        let all_there = whole(self.users.div_ceil(self.users_per_second()));
        all_there + SETTLES..all_there + whole(self.seconds).saturating_sub(1)
    }
}
