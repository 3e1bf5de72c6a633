//! `buoy reconcile`: whether the statistics say what the events say.

use std::io;

use anyhow::bail;
use chrono::DateTime;
use clap::ValueEnum;

use super::output;

use crate::{
    db::Store,
    domain::rollup::SLOT_SECONDS,
    stats::reconcile::{Counts, Difference},
};

const AFTER_HELP: &str = "\
Compares the sums that statistics are read from with the click events, day by day in UTC, while clicks come in. Days \
whose events may have been deleted (EVENT_RETENTION_DAYS) are left alone; a link's total is compared with the sum of \
its days. Unique visitors cannot be counted again. Exits with 1 if something differs, and with 0 if --fix has \
repaired it. On SQLite no other process can write while a day is repaired.

Examples:
  buoy reconcile                    print what differs
  buoy reconcile --fix              and repair it
  buoy reconcile --format json      one JSON object a line
";

/// How to go about it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Repair what differs, in short transactions
    #[arg(long)]
    fix: bool,
    /// What a difference is printed as
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What a difference is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// One JSON object a line
    Json,
}

/// Compares, and prints each difference to standard output.
///
/// # Errors
/// If something differs and is not to be repaired.
pub async fn run(args: &Args, store: &Store) -> anyhow::Result<()> {
    let mut reconciliation = store.reconcile(args.fix).await?;
    let (mut days, mut found) = (0_u64, 0_u64);
    while let Some((_, differences)) = reconciliation.next_day().await? {
        days += 1;
        found = print(args.format, &differences, found)?;
    }
    found = print(args.format, &reconciliation.totals().await?, found)?;
    reconciliation.finish().await?;
    tracing::info!(days, differences = found, fixed = args.fix, "compared");
    match (found, args.fix) {
        (0, _) => Ok(()),
        (_, true) => {
            tracing::info!(differences = found, "repaired");
            Ok(())
        }
        (_, false) => bail!("the rollups differ from the events in {found} places; --fix repairs them"),
    }
}

/// Prints differences; answers how many there are with those before.
fn print(format: Format, differences: &[Difference], before: u64) -> io::Result<u64> {
    if format == Format::Table && before == 0 && !differences.is_empty() {
        output::line(format_args!("{:<14} {:<22} {:>14} {:>14}  of", "whose", "when", "held", "expected"))?;
    }
    for difference in differences {
        output::line(if format == Format::Json { as_json(difference) } else { as_line(difference) })?;
    }
    Ok(before + differences.len() as u64)
}

fn as_line(difference: &Difference) -> String {
    let (when, what) = described(&difference.counts);
    let clicks = |(people, bots): (i64, i64)| format!("{people} + {bots}");
    let (held, expected) = (clicks(difference.held), clicks(difference.expected));
    format!("{:<14} {when:<22} {held:>14} {expected:>14}  {what}", whose(difference))
}

fn as_json(difference: &Difference) -> String {
    let (when, what) = described(&difference.counts);
    let clicks = |(people, bots): (i64, i64)| serde_json::json!({ "people": people, "bots": bots });
    let (held, expected) = (clicks(difference.held), clicks(difference.expected));
    serde_json::json!({ "whose": whose(difference), "when": when, "of": what, "held": held, "expected": expected })
        .to_string()
}

fn whose(difference: &Difference) -> String {
    match difference.subject.0 {
        0 => "all".to_owned(),
        url if url > 0 => format!("link {url}"),
        user => format!("user {}", -user),
    }
}

/// When the clicks were, and which of them are counted.
fn described(counts: &Counts) -> (String, String) {
    let moment = |seconds: i64, format: &str| {
        DateTime::from_timestamp(seconds, 0).map_or_else(String::new, |at| at.format(format).to_string())
    };
    let day = |day: i64| moment(day * 86_400, "%Y-%m-%d");
    match counts {
        Counts::Day(number) => (day(*number), "the day".to_owned()),
        Counts::Slot(slot) => (moment(slot * SLOT_SECONDS, "%Y-%m-%d %H:%M"), "the quarter of an hour".to_owned()),
        Counts::Value(number, dimension, value) => (day(*number), format!("{} {value}", dimension.name())),
        Counts::Total => ("always".to_owned(), "the link's total".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Dimension, Subject};

    #[test]
    fn a_difference_is_a_line_for_people_or_programs() {
        let counts = Counts::Value(20_513, Dimension::Os, "Linux".to_owned());
        let difference = Difference { subject: Subject(-7), counts, held: (1, 0), expected: (2, 0) };
        let line = as_line(&difference);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["user", "7", "2026-03-01", "1", "+", "0", "2", "+", "0", "os", "Linux"]);
        let json: serde_json::Value = serde_json::from_str(&as_json(&difference)).unwrap();
        assert_eq!((&json["whose"], &json["expected"]["people"]), (&"user 7".into(), &2.into()));
        let slot = Difference { subject: Subject(3), counts: Counts::Slot(1_969_249), ..difference };
        assert!(as_line(&slot).contains("2026-03-01 00:15"), "{}", as_line(&slot));
    }
}
