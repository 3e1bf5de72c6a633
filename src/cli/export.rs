//! `buoy export`: the whole database into CSV files.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::{
    db::Store,
    export::{FILES, Form, Progress, export},
};

const AFTER_HELP: &str = "\
Writes users.csv, urls.csv, events.csv, retired_codes.csv (codes of deleted links, which are never given to another \
link), and rollups.csv (statistics of days whose events may have been deleted). All show the same moment, while the \
service goes on, and only their owner may read them. `buoy import` of the folder into an empty database gives the \
same database.

A spreadsheet takes a cell that begins with = + - or @ for a formula, and users choose names and titles. Open files \
in a spreadsheet only if --for-spreadsheets wrote them. Such files are not for `buoy import`: they come back \
changed.

Examples:
  buoy export backup-monday/
  buoy export --for-spreadsheets to-look-at/
";

/// The folder to write to.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The folder for the files; created if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Overwrite files of these names
    #[arg(long)]
    force: bool,
    /// Put an apostrophe before cells that a spreadsheet would take for formulas; not for import
    #[arg(long)]
    for_spreadsheets: bool,
}

/// Exports, and prints how many rows each file has.
///
/// # Errors
/// If a file exists already (unless forced) or cannot be written, or the database fails.
pub async fn run(args: &Args, store: &Store) -> anyhow::Result<()> {
    let bar = Bar::new();
    let form = if args.for_spreadsheets { Form::ForSpreadsheets } else { Form::AsStored };
    let exported = export(store, &args.folder, args.force, form, &bar).await;
    bar.0.finish_and_clear();
    for (file, rows) in FILES.iter().zip(exported?) {
        output::line(format_args!("{file}: {rows} rows"))?;
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
