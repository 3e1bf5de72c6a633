//! `bench`: measures buoy beside a bare handler; `make bench` runs it beside a PostgreSQL of its own.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use loadtest::bench::{
    bare,
    fleet::{Fleet, Place},
    plan::{self, Extent},
};
use tokio::signal::unix::{SignalKind, signal};

/// Measures buoy beside a bare axum handler, with and without Nginx.
#[derive(Debug, Parser)]
struct Arguments {
    /// PostgreSQL, which is migrated and filled.
    #[arg(long, env = "TEST_DATABASE_URL", hide_env_values = true, default_value = "")]
    database_url: String,
    /// The binary of buoy; the one beside this program where it is not given.
    #[arg(long)]
    buoy: Option<PathBuf>,
    /// The fleet's configuration of Nginx.
    #[arg(long, default_value = "nginx/nginx.conf")]
    nginx: PathBuf,
    /// Rounds of alternating phases.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Seconds that a phase lasts.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    /// Connections of the client.
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves a constant redirect on a loopback port.
    #[command(hide = true)]
    Bare {
        /// The port.
        port: u16,
    },
    /// Starts Nginx, three replicas and nothing else, and runs a command with BUOY_HOST naming them.
    Fleet {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Bare { port }) => bare::serve(port).await,
        Some(Command::Fleet { ref command }) => beside_fleet(&arguments, command).await,
        None => measure(arguments).await,
    }
}

/// Runs a command against a fleet that lives as long as it does.
async fn beside_fleet(arguments: &Arguments, command: &[String]) -> anyhow::Result<()> {
    let fleet = start(arguments, false).await?;
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

async fn start(arguments: &Arguments, with_alone: bool) -> anyhow::Result<Fleet> {
    anyhow::ensure!(!arguments.database_url.is_empty(), "--database-url or TEST_DATABASE_URL is needed");
    fs::create_dir_all(&arguments.output)?;
    // Of an earlier run; a line for each redirect makes hundreds of megabytes.
    for log in ["buoy.log", "bare.log"] {
        fs::remove_file(arguments.output.join(log)).ok();
    }
    let beside = std::env::current_exe()?.with_file_name("buoy");
    let place = Place {
        buoy: arguments.buoy.clone().unwrap_or(beside),
        database_url: arguments.database_url.clone(),
        folder: arguments.output.clone(),
    };
    let nginx = fs::read_to_string(&arguments.nginx).context("cannot read the configuration of Nginx")?;
    Fleet::start(&place, &nginx, with_alone).await
}

async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let fleet = start(&arguments, true).await?;
    let extent = Extent {
        rounds: arguments.rounds,
        phase: Duration::from_secs(u64::from(arguments.seconds)),
        connections: u64::from(arguments.connections),
    };
    let figures = unless_stopped(plan::run(&fleet, extent)).await;
    fleet.stop().await?;
    let mut figures = figures?;
    figures.commit = arguments.commit;
    fs::write(arguments.output.join("bench.json"), serde_json::to_string_pretty(&figures)?)?;
    print!("{figures}");
    anyhow::ensure!(
        figures.valid(),
        "clicks stored and redirects answered differ, or requests failed: the figures do not count"
    );
    Ok(())
}
