//! `buoy completions`: a script that completes the command line in a shell.

use clap_complete::Shell;

use super::output;

/// Which shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell; for bash: buoy completions bash > ~/.local/share/bash-completion/completions/buoy
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// If it cannot be written.
pub fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<()> {
    // Into memory first: the library panics if its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "buoy", &mut script);
    Ok(output::bytes(&script)?)
}
