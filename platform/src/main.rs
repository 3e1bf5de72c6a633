//! The command line: `platform check FILE…` and `platform rehearse`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use platform::check;

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
    /// Beyond the schema: bindings name what exists; every variable is one that buoy reads, with a value that it takes, and none is
    /// missing; ports agree; the connection sum holds; the program ends before the platform kills it; sizes are known. A fault
    /// prints as FILE:LINE: PROBLEM, and the exit code is 1.
    Check {
        /// The specs: app.yaml, deploy.template.yaml, or variants of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Check { files } => check_files(&files),
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
