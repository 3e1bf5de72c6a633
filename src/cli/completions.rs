//! `buoy completions`: a script that completes the command line in a shell.

use std::io;

use clap_complete::Shell;

/// Which shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell; for bash: buoy completions bash > ~/.local/share/bash-completion/completions/buoy
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Never; the signature is that of every command.
pub fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<()> {
    clap_complete::generate(args.shell, command, "buoy", &mut io::stdout());
    Ok(())
}
