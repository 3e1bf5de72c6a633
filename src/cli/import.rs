//! `buoy import`: CSV files into the database, all or nothing.

use std::path::PathBuf;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::{
    db::Store,
    domain::{Clock, TargetPolicy},
    import::{ImportError, Kind, Options, Progress, Report, Source, import, sources_from_paths},
};

const AFTER_HELP: &str = "\
A file's kind is told by its header, so names and order do not matter:

  users   username,email [,id,created_at]
  links   user_id,original_url [,id,short_code,title,is_active,created_at,updated_at,disabled_reason]
  events  url_id,event_type [,id,user_id,timestamp,details]
  codes   short_code,retired_at: codes once used, as `buoy export` writes them
  rollups rollup,subject,at,…: statistics of days whose events may be gone, as `buoy export` writes them

Columns are separated by commas, and text is in UTF-8. Times without a zone are UTC. A user whose username or e-mail \
address exists is found, not created again, and links and events that name the row's id go to that user. Importing \
the same files again changes nothing. Clicks of days whose events were deleted for their age (EVENT_RETENTION_DAYS) \
are refused, unless the rollups of that day come with them.

Targets that BLOCKED_HOSTS names and, without ALLOW_PRIVATE_TARGETS=true, private ones make their rows bad, as over \
HTTP.

Examples:
  buoy import seed/                    every CSV file of the folder
  buoy import users.csv urls.csv       these two
  buoy import --skip-bad seed/         keep the good rows, list the others
";

/// What to import.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// CSV files, or folders with CSV files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Keep the good rows if some are bad; without this, one bad row and nothing is imported
    #[arg(long)]
    skip_bad: bool,
}

/// Imports in one transaction. The report goes to standard output, bad rows to standard error.
///
/// # Errors
/// If a row was refused (unless these are skipped), a file cannot be used, or the database fails. Nothing is
/// imported then.
pub async fn run(args: &Args, store: &Store, targets: TargetPolicy) -> anyhow::Result<()> {
    let sources = sources_from_paths(&args.paths).await?;
    let bar = Bar::new(&sources);
    let now = Clock::system().now();
    // A client of the database may disable links.
    let may_disable = true;
    let skip_bad = args.skip_bad;
    let options = Options { skip_bad, only: None, reserve_named: true, targets, asked: None, may_disable, now };
    let mut tx = store.begin().await?;
    let imported = import(&mut tx, sources, &options, &bar).await;
    bar.0.finish_and_clear();
    match imported {
        Ok(report) => {
            if report.refused() > 0 && report.created() + report.found() == 0 {
                tx.rollback().await?;
                print_bad_rows(&report);
                bail!("all {} rows were refused, so nothing was imported", report.rows());
            }
            // Replicas are told by the commit itself; this process remembers no links that it would have to drop.
            tx.commit().await?;
            print_bad_rows(&report);
            report.files.iter().try_for_each(output::line)?;
            Ok(())
        }
        Err(ImportError::Refused(report)) => {
            tx.rollback().await?;
            print_bad_rows(&report);
            bail!(
                "{} of {} rows were refused, so nothing was imported; --skip-bad keeps the others",
                report.refused(),
                report.rows()
            )
        }
        Err(error) => Err(error.into()),
    }
}

/// Tells the bad rows, and what to do about reasons that repeat.
fn print_bad_rows(report: &Report) {
    report.bad_rows.iter().for_each(output::note);
    let untold = report.refused().saturating_sub(report.bad_rows.len() as u64);
    if untold > 0 {
        output::note(format_args!("… and {untold} more bad rows"));
    }
    for (reason, rows) in report.reasons().filter(|(_, rows)| *rows > 1) {
        if let Some(advice) = advice(&reason.why) {
            output::note(format_args!("{rows} rows: {reason}. {advice}"));
        }
    }
}

/// What to do about rows that are refused for this reason.
fn advice(why: &str) -> Option<&'static str> {
    match why {
        "names no user" => Some("Import the file of users too, in the same command or before."),
        "names a user whose row was left out" => Some("Mend the rows of these users first."),
        "leads to a private, loopback or reserved address" => Some("ALLOW_PRIVATE_TARGETS=true takes such targets."),
        "leads to a host that is blocked here" => Some("BLOCKED_HOSTS names the host; --skip-bad leaves the rows out."),
        "is another link's" | "was used by a link that is gone" => {
            Some("Give other codes, or leave the field empty: a code is then generated.")
        }
        "is not UTF-8" => Some("Save the file as UTF-8."),
        "is of a day whose clicks were deleted for their age and may be counted already" => {
            Some("Import the rollups.csv of the same export too.")
        }
        why if why.contains(" fields where the header has ") => {
            Some("Put quotation marks around fields that hold a comma.")
        }
        why if why.starts_with("must be a time") => Some("Write times as 2025-06-09 11:24:49, in UTC."),
        _ => None,
    }
}

/// A progress bar on standard error; none if that is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(sources: &[Source<'_>]) -> Self {
        let bytes: Option<u64> = sources.iter().map(|source| source.bytes).sum();
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{msg:20} {wide_bar} {bytes}/{total_bytes} {eta}"),
            None => (ProgressBar::no_length(), "{msg:20} {bytes} {bytes_per_sec}"),
        };
        // A template that the library does not understand leaves its own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Progress for Bar {
    fn file(&self, name: &str, _kind: Kind) {
        self.0.set_message(name.to_owned());
    }

    fn advance(&self, bytes: u64, _rows: u64) {
        self.0.inc(bytes);
    }
}
