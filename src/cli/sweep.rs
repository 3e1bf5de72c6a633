//! `buoy sweep`: deletes what is past its time now, as `serve` does every ten minutes.

use anyhow::bail;

use super::output;
use crate::{db::Store, domain::Clock, stats::retention::MAX_LEAP};

const AFTER_HELP: &str = "\
Deletes click events older than EVENT_RETENTION_DAYS, if that is set, and what tells visitors apart after two days. \
If the clock is more than a week beyond the last time, it may be wrong: click events of the days after that week \
stay. With --catch-up the clock is believed, here and by the running service.

Examples:
  buoy sweep
  buoy sweep --catch-up
";

/// How to go about it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Believe the clock, however long ago the last time is
    #[arg(long)]
    catch_up: bool,
}

/// Deletes, and says how much.
///
/// # Errors
/// The clock is far ahead of the last time, or the database fails.
pub async fn run(args: &Args, store: &Store, event_days: Option<u32>) -> anyhow::Result<()> {
    let now = Clock::system().now();
    if args.catch_up {
        store.believe_clock(now).await?;
    }
    let swept = store.sweep(event_days, now).await?;
    let (clicks, visitors) = (swept.clicks, swept.visitors);
    output::line(format_args!("deleted {clicks} click events and {visitors} rows of visitors"))?;
    match swept.leap {
        leap if leap > MAX_LEAP => {
            bail!(
                "the clock is {leap} days beyond the last time: if it is right, `buoy sweep --catch-up` deletes the \
                 rest"
            )
        }
        _ => Ok(()),
    }
}
