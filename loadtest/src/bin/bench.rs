//! `bench`: measures buoy beside bare handlers; `make bench` runs it beside a PostgreSQL of its own.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use loadtest::bench::{
    api, bare,
    client::Extent,
    figures::{Figures, Redirects},
    redirects::{self, Sides},
    servers::{Place, Program, Threads},
};
use tokio::signal::unix::{SignalKind, signal};

/// Measures buoy beside bare axum handlers: redirects alone and behind Nginx, and the API.
#[derive(Debug, Parser)]
struct Arguments {
    /// PostgreSQL, which is migrated and filled.
    #[arg(long, env = "TEST_DATABASE_URL", hide_env_values = true, default_value = "")]
    database_url: String,
    /// The binary of buoy; by default the one beside this program.
    #[arg(long)]
    buoy: Option<PathBuf>,
    /// The fleet's configuration of Nginx.
    #[arg(long, default_value = "nginx/nginx.conf")]
    nginx: PathBuf,
    /// Measures one part alone.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Rounds of alternating phases.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Seconds that a phase of redirects lasts; one of the API lasts a third.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    /// Connections of the client for redirects.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// The folder for logs and bench.json.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    /// What was measured, for the record.
    #[arg(long, default_value = "unknown")]
    commit: String,
    #[command(subcommand)]
    command: Option<Command>,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Redirects of one replica.
    Redirects,
    /// Redirects of three replicas behind Nginx; needs a container engine.
    Fleet,
    /// Creation, change, deletion, reading and listing at one replica.
    Writes,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves a constant redirect on a loopback port.
    #[command(hide = true)]
    BareRedirects {
        /// The port.
        port: u16,
    },
    /// Serves a table of links on a loopback port.
    #[command(hide = true)]
    BareLinks {
        /// The port.
        port: u16,
    },
    /// Starts three replicas behind Nginx, and runs a command with BUOY_HOST naming them.
    Fleet {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.command {
        Some(Command::BareRedirects { port }) => bare::redirects(*port).await,
        Some(Command::BareLinks { port }) => bare::links(*port, &arguments.database_url).await,
        Some(Command::Fleet { command }) => beside_fleet(&prepared(&arguments).await?, command).await,
        None => measure(arguments).await,
    }
}

/// Runs a command against a fleet that lives as long as it does.
async fn beside_fleet(place: &Place, command: &[String]) -> anyhow::Result<()> {
    let fleet = place.fleet(Program::Buoy).await?;
    let host = format!("http://127.0.0.1:{}", fleet.proxy.port);
    let (program, rest) = command.split_first().context("a command is needed")?;
    let mut command = tokio::process::Command::new(program);
    command.args(rest).env("BUOY_HOST", host).kill_on_drop(true);
    let status = unless_stopped(async { Ok(command.status().await?) }).await;
    fleet.stop().await?;
    anyhow::ensure!(status?.success(), "the command failed");
    Ok(())
}

/// Does something until Ctrl-C or SIGTERM comes, so that what was started can be ended.
async fn unless_stopped<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped by Ctrl-C"),
        _ = terminated.recv() => anyhow::bail!("stopped by SIGTERM"),
    }
}

/// A migrated database and an empty folder for logs.
async fn prepared(arguments: &Arguments) -> anyhow::Result<Place> {
    anyhow::ensure!(!arguments.database_url.is_empty(), "--database-url or TEST_DATABASE_URL is needed");
    fs::create_dir_all(&arguments.output)?;
    for log in ["buoy.log", "bare.log"] {
        fs::remove_file(arguments.output.join(log)).ok();
    }
    let beside = std::env::current_exe()?.with_file_name("buoy");
    let place = Place {
        buoy: arguments.buoy.clone().unwrap_or(beside),
        database_url: arguments.database_url.clone(),
        nginx: fs::read_to_string(&arguments.nginx).context("cannot read the configuration of Nginx")?,
        folder: arguments.output.clone(),
    };
    place.migrate().await?;
    Ok(place)
}

async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let place = prepared(&arguments).await?;
    let extent = Extent {
        rounds: arguments.rounds,
        phase: Duration::from_secs(u64::from(arguments.seconds)),
        connections: u64::from(arguments.connections),
    };
    let mut figures = Figures { commit: arguments.commit, ..Figures::default() };
    let wants = |part| arguments.only.is_none_or(|only| only == part);
    if wants(Part::Redirects) {
        figures.starts_ms = place.starts().await?.iter().map(|start| start.as_secs_f64() * 1e3).collect();
        figures.alone = alone(&place, extent).await?;
    }
    if wants(Part::Fleet) {
        figures.fleet = fleet(&place, extent).await?;
    }
    if wants(Part::Writes) {
        let (bare, buoy) =
            (place.server(Program::BareLinks, Threads::All).await?, place.server(Program::Buoy, Threads::All).await?);
        let extent = Extent { phase: extent.phase / 3, ..extent };
        figures.api = unless_stopped(api::run(&bare, &buoy, &place.database_url, extent)).await?;
        buoy.stop().await?;
    }
    fs::write(arguments.output.join("bench.json"), serde_json::to_string_pretty(&figures)?)?;
    print!("{figures}");
    anyhow::ensure!(
        figures.valid(),
        "clicks stored and redirects answered differ, or requests failed: the figures do not count"
    );
    Ok(())
}

/// One replica beside one bare handler.
async fn alone(place: &Place, extent: Extent) -> anyhow::Result<Vec<Redirects>> {
    let bare = place.server(Program::BareRedirects, Threads::All).await?;
    let replicas = [place.server(Program::Buoy, Threads::All).await?];
    let sides = Sides { bare: bare.port, buoy: replicas[0].port, replicas: &replicas };
    let rounds = unless_stopped(redirects::run(sides, extent, "bench-alone")).await?;
    for replica in replicas {
        replica.stop().await?;
    }
    Ok(rounds)
}

/// Three replicas behind Nginx beside three bare handlers behind another.
async fn fleet(place: &Place, extent: Extent) -> anyhow::Result<Vec<Redirects>> {
    let (bare, buoy) = (place.fleet(Program::BareRedirects).await?, place.fleet(Program::Buoy).await?);
    let sides = Sides { bare: bare.proxy.port, buoy: buoy.proxy.port, replicas: &buoy.servers };
    let rounds = unless_stopped(redirects::run(sides, extent, "bench-fleet")).await;
    // Containers outlive this program if they are not stopped, so this comes before errors are passed on.
    bare.proxy.stop().await?;
    buoy.stop().await?;
    rounds
}
