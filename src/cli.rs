//! The command line: which command to run, with which configuration.
//!
//! One file per command. With no argument the command comes from `BUOY_COMMAND`, else the service starts, so that a
//! platform can choose by an environment variable alone.

pub mod backup;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod events;
pub mod export;
pub mod healthcheck;
pub mod import;
pub mod key;
pub mod man;
pub mod migrate;
pub mod output;
pub mod reconcile;
pub mod restore;
pub mod serve;
pub mod sweep;
pub mod user;

use std::{collections::HashMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::{
    config::{Config, process_variables, read_env_file, read_secret_files, warnings},
    db::{Store, StoreSettings, migrate::SchemaState},
    fleet::monitor::wait_for_server,
    lifecycle::Forced,
    telemetry::{self, DroppedLines, Stream},
};

const ABOUT: &str = "Short links that stay afloat: a link service with an HTTP API";

const AFTER_HELP: &str = "\
Without a command, buoy runs the one that BUOY_COMMAND names, else it serves.

All configuration comes from environment variables; `buoy config` lists each with its value, default and meaning. \
Without DATABASE_URL the data is in the file buoy.db, an SQLite database that `buoy serve` creates.

Examples:
  buoy                              serve on http://127.0.0.1:8080
  buoy import seed/                 take in the CSV files of a folder
  buoy --env-file prod.env migrate  bring the database of these variables to the newest schema
  buoy --env-file prod.env config   show what a file of variables amounts to
";

/// How long the process waits for threads that are stuck in the system when it ends.
const LEAVE_BEHIND_AFTER: Duration = Duration::from_millis(100);
/// How long a command waits for a database that is not up yet.
const PATIENCE: Duration = Duration::from_secs(120);

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "buoy", version, about = ABOUT, after_help = AFTER_HELP)]
struct CommandLine {
    /// Read variables from this file (NAME=VALUE lines, 'single quotes' around a $); those of the environment win
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the service (the default)
    Serve,
    /// Bring the database to the newest schema, then exit
    Migrate,
    /// Take CSV files into the database, all or nothing
    Import(import::Args),
    /// Write the whole database to CSV files
    Export(export::Args),
    /// Compare the statistics with the events, and repair them if told so
    Reconcile(reconcile::Args),
    /// Delete click events that are past EVENT_RETENTION_DAYS now
    Sweep(sweep::Args),
    /// Make, list and revoke the keys with which programs act for users
    Key(key::Args),
    /// Copy the embedded database to a file while it is in use
    Backup(backup::Args),
    /// Put a backup in the place of the embedded database
    Restore(restore::Args),
    /// Create users
    User(user::Args),
    /// Print the events of a running service as they happen
    Events(events::Args),
    /// Ask a running service whether it is ready; exit with 1 if it is not
    Healthcheck(healthcheck::Args),
    /// Check a running environment: database, encryption, schema, privileges, connections, clock; exit with 1 if
    /// one fails
    Doctor(doctor::Args),
    /// Show every variable: its value with secrets masked, its default and its meaning
    Config(config::Args),
    /// Print a shell's completion script
    Completions(completions::Args),
    /// Write the manual pages
    Man(man::Args),
}

/// Runs the program and answers its exit code: 0, 1 if the command failed, 2 if it was not understood.
pub fn main() -> ExitCode {
    match CommandLine::try_parse().map_err(anyhow::Error::from).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn run(line: CommandLine) -> anyhow::Result<()> {
    let variables = variables(line.env_file.as_deref())?;
    let command = match line.command {
        Some(command) => command,
        None => default_command(&variables)?,
    };
    let warnings = warnings(&variables);
    match command {
        Command::Config(args) => {
            warnings.iter().for_each(|warning| say(warning));
            return config::run(&args, variables);
        }
        Command::Completions(args) => return completions::run(&args, &mut CommandLine::command()),
        Command::Man(args) => return man::run(&args, CommandLine::command()),
        Command::Doctor(args) => return doctor::run(&args, variables),
        Command::Events(args) => return events::run(&args, &variables),
        _ => {}
    }
    let config = Config::from_vars(variables).inspect_err(|_| warnings.iter().for_each(|warning| say(warning)))?;
    let stream = if matches!(command, Command::Serve) { Stream::Stdout } else { Stream::Stderr };
    let log = telemetry::init(&config.log, stream)?;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    // A thread for each processor, or as many as tokio's own TOKIO_WORKER_THREADS says.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let result = runtime.block_on(run_async(command, config, log.dropped()));
    // Without this the process would wait for a name look-up whose result is no longer needed.
    runtime.shutdown_timeout(LEAVE_BEHIND_AFTER);
    result
}

async fn run_async(command: Command, config: Config, dropped: DroppedLines) -> anyhow::Result<()> {
    match command {
        Command::Serve => serve::run(config, dropped).await,
        Command::Migrate => migrate::run(&config.store).await,
        Command::Import(args) => {
            let targets = config.http.targets.clone();
            with_store(&config.store, true, async |store| import::run(&args, store, targets).await).await
        }
        Command::Export(args) => with_store(&config.store, false, async |store| export::run(&args, store).await).await,
        Command::Reconcile(args) => {
            with_store(&config.store, false, async |store| reconcile::run(&args, store).await).await
        }
        Command::Sweep(args) => {
            let days = config.clicks.kept_days;
            with_store(&config.store, false, async |store| sweep::run(&args, store, days).await).await
        }
        Command::Key(args) => with_store(&config.store, false, async |store| key::run(&args, store).await).await,
        Command::Backup(args) => with_store(&config.store, false, async |store| backup::run(&args, store).await).await,
        Command::Restore(args) => restore::run(&args, &config.store.url).await,
        Command::User(args) => with_store(&config.store, false, async |store| user::run(&args, store).await).await,
        Command::Healthcheck(args) => healthcheck::run(&args, &config.listen).await,
        Command::Config(_) | Command::Completions(_) | Command::Man(_) | Command::Doctor(_) | Command::Events(_) => {
            Ok(())
        }
    }
}

/// The process's variables, over those of the file that was asked for.
fn variables(env_file: Option<&std::path::Path>) -> anyhow::Result<HashMap<String, String>> {
    let mut variables: HashMap<String, String> =
        env_file.map(read_env_file).transpose()?.unwrap_or_default().into_iter().collect();
    for (name, value) in process_variables() {
        // An empty variable does not hide the file's. If the file has none either, it tells that a secret is blank.
        if value.trim().is_empty() {
            variables.entry(name).or_insert(value);
        } else {
            variables.insert(name, value);
        }
    }
    read_secret_files(&mut variables)?;
    Ok(variables)
}

/// The command that `BUOY_COMMAND` names, else the service.
fn default_command(variables: &HashMap<String, String>) -> anyhow::Result<Command> {
    let words = variables.get("BUOY_COMMAND").map(String::as_str).unwrap_or_default().trim();
    if words.is_empty() {
        return Ok(Command::Serve);
    }
    // In words of its own: the parser's would not say that the fault is in a variable.
    let line = CommandLine::try_parse_from(std::iter::once("buoy").chain(words.split_whitespace())).map_err(|_| {
        anyhow::anyhow!(
            "BUOY_COMMAND is no command line that buoy understands: {words}; `buoy --help` lists the commands"
        )
    })?;
    Ok(line.command.unwrap_or(Command::Serve))
}

fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // Nothing can be done if the terminal is gone.
        usage.print().ok();
        let asked_for = matches!(usage.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    if let Some(forced) = error.downcast_ref::<Forced>() {
        // The log tells of the signal.
        return ExitCode::from(forced.exit_code());
    }
    if output::is_broken_pipe(error) {
        // The reader, as `head`, has seen enough.
        return ExitCode::SUCCESS;
    }
    say(&format_args!("{error:#}"));
    ExitCode::FAILURE
}

/// Tells the operator something although there is no log.
fn say(what: &dyn std::fmt::Display) {
    output::note(format_args!("buoy: {what}"));
}

/// Opens the configured database, does `work` with it, and closes it. The command may create a missing SQLite file if
/// `creates`.
async fn with_store(
    settings: &StoreSettings,
    creates: bool,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let store = if creates { Store::open(settings).await? } else { Store::open_existing(settings).await? };
    wait_for_server(&store, PATIENCE).await?;
    if !matches!(store.schema_state().await?, SchemaState::Sufficient { .. }) {
        anyhow::bail!(
            "the database {} lacks the schema that this version needs: run `buoy migrate`",
            settings.url.place()
        );
    }
    let result = work(&store).await;
    store.close().await;
    result
}
