//! `buoy doctor`: looks at an environment as it runs, and says what is wrong and what to do.
//!
//! One look, nothing changed, no waiting for what is not there. The checks of a PostgreSQL server are in `server`.

mod report;
mod server;

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};

use self::report::{Check, Report};
use crate::{
    config::{Config, ConfigError, warnings},
    console::Finding,
    db::{Server, Store, StoreSettings, migrate::SchemaState},
    visitors::Visitors,
};

const AFTER_HELP: &str = "\
It takes the configuration of the service, connects to its database once, and changes nothing. Run it on the host of \
the service: on App Platform in the component's console, or as a job with BUOY_COMMAND=doctor.

Example:
  buoy doctor --instances 3 --json
";

/// How long the database may take to answer all there is to ask.
const LIMIT: Duration = Duration::from_secs(10);

/// How to report, and what for.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Instances to count connections for [default: those seen at work, at least 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    instances: Option<u32>,
}

/// Looks, and prints what it found.
///
/// # Errors
/// If a check failed.
pub fn run(args: &Args, variables: HashMap<String, String>) -> anyhow::Result<()> {
    let warnings = warnings(&variables);
    let report = match Config::from_vars(variables) {
        Ok(config) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.context("cannot start the runtime")?;
            let report = runtime.block_on(examine(args.instances, &config, warnings));
            runtime.shutdown_timeout(super::LEAVE_BEHIND_AFTER);
            report
        }
        Err(error) => unusable(&error),
    };
    report.print(args.json)?;
    match report.failures() {
        0 => Ok(()),
        1 => bail!("one check failed"),
        failures => bail!("{failures} checks failed"),
    }
}

/// With a faulty configuration nothing else can be looked at.
fn unusable(error: &ConfigError) -> Report {
    let ConfigError::Faults(faults) = error else {
        return Report::of([Check::fail("configuration", error.to_string(), "mend the file of variables")]);
    };
    Report::of(faults.iter().map(|fault| {
        Check::fail("configuration", fault.to_string(), format!("change {}; `buoy config` explains it", fault.variable))
    }))
}

/// What it would find in the environment of a running service, for the console.
pub(super) async fn findings(config: Arc<Config>) -> Vec<Finding> {
    examine(None, &config, Vec::new()).await.into_findings()
}

async fn examine(instances: Option<u32>, config: &Config, warnings: Vec<String>) -> Report {
    let mut report = Report::default();
    let server = Server::of(&config.store);
    report.add(configuration(config, warnings, server.as_ref().is_some_and(Server::is_elsewhere)));
    if let Some(reason) = config.access.refusal(config.listen.host) {
        report.add(Check::fail("access", reason, "give ADMIN_TOKEN"));
    }
    if let Err(error) = Visitors::open(&config.visitors) {
        report.add(Check::fail(
            "countries",
            format!("GEOIP_DB cannot be used: {error}"),
            "name a MaxMind file that is there",
        ));
    }
    match server {
        Some(server) => server::examine(&server, config, instances, &mut report).await,
        None => report.add(embedded(&config.store).await),
    }
    report
}

/// What can be read without a connection.
fn configuration(config: &Config, warnings: Vec<String>, deployed: bool) -> Check {
    let mut found = warnings;
    if deployed && config.listen.host.is_loopback() {
        found.push(format!("HOST is {}, which no other machine can reach: set HOST=0.0.0.0", config.listen.host));
    }
    if found.is_empty() {
        Check::ok("configuration", "every variable can be used")
    } else {
        Check::warn("configuration", found.join("; "), "change these variables; `buoy config` explains them")
    }
}

/// The embedded database, which opening creates and migrates: so only one that is there is opened.
async fn embedded(settings: &StoreSettings) -> Check {
    const NAME: &str = "database";
    let place = settings.url.place();
    let file = settings.url.file();
    if file.is_some_and(|file| !file.exists()) {
        let folder = std::path::Path::new(&place).parent();
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Check::fail(
                NAME,
                format!("the folder of {place} does not exist"),
                "create it, or change DATABASE_URL",
            );
        }
        return Check::warn(
            NAME,
            format!("the file {place} is not there yet"),
            "`buoy serve` or `buoy migrate` creates it",
        );
    }
    let state = async {
        let store = Store::open_existing(settings).await?;
        let state = store.schema_state().await;
        store.close().await;
        state
    };
    match state.await {
        Ok(SchemaState::Sufficient { version }) => {
            Check::ok(NAME, format!("the file {place}, schema version {version}"))
        }
        Ok(state) => Check::fail(NAME, format!("the file {place} has schema {state:?}"), "run `buoy migrate`"),
        Err(error) => Check::fail(NAME, error.to_string(), "point DATABASE_URL to a database of buoy's"),
    }
}
