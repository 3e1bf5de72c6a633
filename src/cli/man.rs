//! `buoy man`: the manual pages, made from the help of the commands.

use std::path::PathBuf;

use anyhow::Context as _;

use super::output;

/// Where to write to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; for one user: buoy man ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes `buoy.1` and a page for each command, and prints how many there are.
///
/// # Errors
/// If a file cannot be written.
pub fn run(args: &Args, command: clap::Command) -> anyhow::Result<()> {
    let folder = &args.folder;
    let written = || {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(command, folder)?;
        Ok::<_, std::io::Error>(std::fs::read_dir(folder)?.count())
    };
    let pages = written().with_context(|| format!("cannot write to {}", folder.display()))?;
    output::line(format_args!("{}: {pages} pages", folder.display()))?;
    Ok(())
}
