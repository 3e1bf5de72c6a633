//! `buoy doctor`: looks at an environment as it runs, and says what is wrong and what to do.
//!
//! One look, nothing changed, no waiting for what is not there. The checks of a PostgreSQL server are in `server`.

mod report;
mod server;

use std::{collections::HashMap, net::IpAddr, time::Duration};

use anyhow::{Context as _, bail};

use self::report::{Check, Report};
use super::{open_store, reach};
use crate::{
    config::{CaCert, Config, ConfigError, DatabaseConfig},
    db::{DatabaseUrl, migrate::SchemaState},
};

const AFTER_HELP: &str = "\
It takes the configuration of the service, connects to its database once, and changes nothing. Run it where the service runs: on
App Platform in the component's console, or as a job with BUOY_COMMAND=doctor.

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
/// Where a check failed.
pub fn run(args: &Args, variables: HashMap<String, String>) -> anyhow::Result<()> {
    let report = match Config::from_vars(variables) {
        Ok(config) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.context("cannot start the runtime")?;
            let report = runtime.block_on(examine(args, &config));
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

async fn examine(args: &Args, config: &Config) -> Report {
    let mut report = Report::default();
    match reach::url(&config.database) {
        Ok(DatabaseUrl::Postgres(server)) => {
            report.add(configuration(config, is_elsewhere(&server)));
            server::examine(&server, config, args.instances, &mut report).await;
        }
        Ok(DatabaseUrl::Sqlite(_)) => {
            report.add(configuration(config, false));
            report.add(embedded(&config.database).await);
        }
        Err(error) => report.add(Check::fail("configuration", format!("{error:#}"), "mend the address")),
    }
    report
}

/// Whether the database is on another machine, so that this is a deployment rather than somebody's laptop.
fn is_elsewhere(server: &crate::db::Server) -> bool {
    let options = server.direct();
    let host = options.get_host();
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_none() && !host.starts_with('/') && !here
}

/// What can be read without asking anybody.
fn configuration(config: &Config, deployed: bool) -> Check {
    let (mut found, mut mend) = (Vec::new(), Vec::new());
    if let Some(CaCert::Placeholder(name)) = &config.database.ca_cert {
        found.push(format!("DATABASE_CA_CERT holds the literal {name}, which counts as unset"));
        mend.push("name a database that has a certificate, or leave the variable out");
    }
    if deployed && config.listen.host.is_loopback() {
        found.push(format!("HOST is {}: nobody outside this machine can reach the service", config.listen.host));
        mend.push("set HOST=0.0.0.0");
    }
    if found.is_empty() {
        Check::ok("configuration", "every variable can be used")
    } else {
        Check::warn("configuration", found.join("; "), mend.join("; "))
    }
}

/// The embedded database, which opening creates and migrates: so only one that is there is opened.
async fn embedded(config: &DatabaseConfig) -> Check {
    const NAME: &str = "database";
    let path = config.url.expose().trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or(path);
    if !std::path::Path::new(path).exists() {
        return Check::warn(
            NAME,
            format!("the file {path} is not there yet"),
            "`buoy serve` or `buoy migrate` creates it",
        );
    }
    let state = async {
        let store = open_store(config).await?;
        let state = store.schema_state().await;
        store.close().await;
        anyhow::Ok(state?)
    };
    match state.await {
        Ok(SchemaState::Sufficient { version }) => {
            Check::ok(NAME, format!("the file {path}, schema version {version}"))
        }
        Ok(state) => Check::fail(NAME, format!("the file {path} has schema {state:?}"), "run `buoy migrate`"),
        Err(error) => Check::fail(NAME, format!("{error:#}"), "point DATABASE_URL to a database of buoy's"),
    }
}
