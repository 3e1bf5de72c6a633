//! `buoy restore`: a backup in place of the embedded database.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::{line, note};
use crate::db::{
    DatabaseUrl,
    restore::{Restored, restore},
};

const AFTER_HELP: &str = "\
Stop the service first: a database that a process has open is not replaced. The backup is copied and checked before \
anything happens to the database, then takes its place in one step; what the old database left in its write-ahead \
log goes with it. For PostgreSQL use pg_restore.

Examples:
  buoy restore buoy-monday.db
  DATABASE_URL=sqlite:/data/buoy.db buoy restore /backups/monday.db
";

/// What to restore.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The backup, as `buoy backup` made it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Restores, and prints what the database holds now.
///
/// # Errors
/// If the backup cannot be used, or the database is in use. The database is then as it was.
pub async fn run(args: &Args, url: &DatabaseUrl) -> anyhow::Result<()> {
    let file = args.file.display();
    note(format_args!("copying {file} and checking the copy"));
    let bar = ProgressBar::new(std::fs::metadata(&args.file).map_or(0, |about| about.len()));
    // A template that the library does not understand leaves its own.
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let restored = restore(url, &args.file, move |bytes| shown.inc(bytes)).await;
    bar.finish_and_clear();
    let Restored { users, urls, events } = restored?;
    line(format_args!("{} is {file} now: {users} users, {urls} links, {events} events", url.place()))?;
    Ok(())
}
