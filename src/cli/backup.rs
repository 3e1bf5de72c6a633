//! `buoy backup`: a copy of the embedded database while it is in use.

use std::path::PathBuf;

use super::output;
use crate::db::Store;

const AFTER_HELP: &str = "\
The copy is the database as it is at one moment, while the service goes on reading and writing. It is a database \
like the original, and only its owner may read it. An existing file is never overwritten. `buoy restore` puts it \
back. For PostgreSQL use pg_dump.

Example:
  buoy backup buoy-monday.db
";

/// The file to write.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The new file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Copies, and prints the size of the copy.
///
/// # Errors
/// If the file exists or cannot be written, and on PostgreSQL.
pub async fn run(args: &Args, store: &Store) -> anyhow::Result<()> {
    let bytes = store.backup(&args.file).await?;
    output::line(format_args!("{}: {bytes} bytes", args.file.display()))?;
    Ok(())
}
