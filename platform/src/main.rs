//! The command line: `platform check FILE…` and `platform rehearse`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use platform::{check, rehearse};

/// Checks the app specs of buoy's deployment, and rehearses the deployment in local containers.
#[derive(Debug, Parser)]
#[command(name = "platform")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check app specs against the strict schema and against the program
    ///
    /// Beyond the schema: bindings name what exists; every variable is one that buoy reads, with a value that it
    /// takes, and none is missing; ports agree; the connection sum holds; the program ends before the platform kills
    /// it; sizes are known. A fault prints as FILE:LINE: PROBLEM, and the exit code is 1.
    Check {
        /// The specs: app.yaml, deploy.template.yaml, or variants of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Do in local containers what the platform would do with a spec, under load
    ///
    /// Needs a container engine (`docker`). It checks the spec, builds this working tree and a next version of it
    /// with one migration more, starts PostgreSQL with TLS by a private authority and the connections of the spec's
    /// cluster, and then deploys as the platform does: the PRE_DEPLOY job to its end, new instances beside the old
    /// ones with PORT, the bound variables and the limits of their size, health checks with the spec's own numbers,
    /// the switch, the drain, SIGTERM, and SIGKILL after the grace period.
    ///
    /// During all of it visitors send requests at a steady rate. The table at the end says how many failed; the exit
    /// code is 1 if one did that should not have, if the connection sum did not hold, or if a step went otherwise
    /// than it must.
    ///
    /// The first run builds twice, for minutes; then it takes about four. Ctrl-C removes what was started. After a
    /// kill -9 remove it by hand: docker rm -fv $(docker ps -aq --filter label=buoy.rehearsal). The images
    /// buoy-rehearsal:this and :next stay.
    Rehearse(rehearse::Args),
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Check { files } => check_files(&files),
        Command::Rehearse(args) => rehearse_spec(&args),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a failed command")]
fn rehearse_spec(args: &rehearse::Args) -> ExitCode {
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(rehearse::run(args)));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("platform: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a report for a person")]
fn check_files(files: &[PathBuf]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match check::file(file, &check::repository()) {
            Ok(sound) => {
                let (least, most) = sound.cost();
                let cost = if least == most { format!("${least}") } else { format!("${least} to ${most}") };
                let (found, limit, name) =
                    (sound.connections, sound.database.size.connections, sound.database.size.slug);
                println!("{}: ok, {found} of {limit} connections ({name}), about {cost} a month", file.display());
            }
            Err(faults) => {
                faults.iter().for_each(|fault| eprintln!("{fault}"));
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
