//! `buoy export`: the whole database into CSV files.

use std::path::PathBuf;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    db::Store,
    export::{ExportError, FILES, Progress, export},
};

const AFTER_HELP: &str = "\
Writes users.csv, urls.csv, events.csv, retired_codes.csv (codes of deleted links, which are never given to another
link), and rollups.csv (statistics of days whose events may have been deleted). All show the same moment, while the
service goes on. `buoy import` of the folder into an empty database gives the same database.

Example:
  buoy export backup-monday/
";

/// The folder to write to.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The folder for the files; made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Overwrite files of these names
    #[arg(long)]
    force: bool,
}

/// Exports, and prints how many rows each file has.
///
/// # Errors
/// If a file exists already (unless forced) or cannot be written, or the database fails.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub async fn run(args: &Args, store: &Store) -> anyhow::Result<()> {
    let bar = Bar::new();
    let exported = export(store, &args.folder, args.force, &bar).await;
    bar.0.finish_and_clear();
    let exists = matches!(exported, Err(ExportError::Exists(_)));
    let counts = if exists { exported.context("--force overwrites")? } else { exported? };
    for (file, rows) in FILES.iter().zip(counts) {
        println!("{file}: {rows} rows");
    }
    Ok(())
}

/// Rows so far, on standard error; nothing if that is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length();
        // A template that the library does not understand leaves its own.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:20} {human_pos} rows {per_sec}") {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Progress for Bar {
    fn advance(&self, file: &'static str, rows: u64) {
        self.0.set_message(file);
        self.0.inc(rows);
    }
}
