//! `model`: repeats the measured runs, then says what larger fleets would do. Exit status 1 where a measured rate or 95th
//! percentile is missed by more than 20 %.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Parser;
use loadtest::{
    bench::figures::Figures,
    model::{
        measured::Run,
        scale::{self, TOLERANCE},
    },
};

/// The capacity model, from measured service times.
#[derive(Debug, Parser)]
struct Arguments {
    /// bench.json and the report.json of each run, as users-*.json.
    #[arg(long, default_value = "loadtest/measured")]
    measured: PathBuf,
    /// Processors of the machine that was measured.
    #[arg(long, default_value_t = 2)]
    cores: u32,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let figures = fs::read_to_string(arguments.measured.join("bench.json")).context("cannot read bench.json")?;
    let figures: Figures = serde_json::from_str(&figures).context("bench.json")?;
    let missed = repeat(&arguments, &figures)?;
    println!("\ninstances  users  per s  p99 ms  instance busy  database busy  connections  what has to change");
    for instances in [3, 10, 30, 100] {
        for users in [200, 1_000, 5_000, 20_000, 100_000, 300_000, 1_000_000] {
            let f = scale::fleet(&figures, instances, users)?;
            let (instance, database) = (f.instance_load * 100.0, f.database_load * 100.0);
            let (rate, p99, connections, change) = (f.per_second, f.p99_ms, f.connections, f.change);
            println!(
                "{instances:>9} {users:>8} {rate:>8.0} {p99:>9.2} {instance:>5.0}% {database:>5.0}% {connections:>5}  {change}"
            );
        }
    }
    anyhow::ensure!(missed == 0, "{missed} measured runs are missed by more than 20 %");
    Ok(())
}

/// Prints the measured runs beside the model's; answers how many are missed.
fn repeat(arguments: &Arguments, figures: &Figures) -> anyhow::Result<usize> {
    eprintln!("repeating the measured runs, for about a minute");
    println!("users  think ms  measured/s  model/s  off  p95 ms  model p95 ms  off  p99 ms  model p99 ms");
    let mut missed = 0;
    for repeated in scale::repeat(figures, &runs(&arguments.measured)?, arguments.cores)? {
        let (run, found) = (&repeated.run, &repeated.found);
        let (rate, p95) = (repeated.rate_off(), repeated.p95_off());
        missed += usize::from(rate.abs() > TOLERANCE || p95.abs() > TOLERANCE);
        println!(
            "{:>5} {:>6} {:>9.0} {:>9.0} {:>5.0}% {:>9.2} {:>9.2} {:>5.0}% {:>9.2} {:>9.2}",
            run.users,
            run.think_ms,
            run.steady.row.per_second,
            found.per_second,
            rate * 100.0,
            run.steady.row.p95_ms,
            found.p95_ms,
            p95 * 100.0,
            run.steady.row.p99_ms,
            found.p99_ms
        );
    }
    Ok(missed)
}

fn runs(folder: &std::path::Path) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("users-")) {
            let text = fs::read_to_string(&path)?;
            runs.push(serde_json::from_str::<Run>(&text).with_context(|| path.display().to_string())?);
        }
    }
    runs.sort_by_key(|run| (run.think_ms, run.users));
    Ok(runs)
}
