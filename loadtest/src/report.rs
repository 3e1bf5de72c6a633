//! What a person reads: the table when a run is over, and the page with charts.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    chart::{Line, chart, escape},
    figures::Figures,
    recorder::Measured,
    summary::Summary,
};

/// The table that is printed when a run is over.
pub fn table(summary: &Summary) -> String {
    let mut text = format!(
        "{:<10} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
        "", "requests", "failed", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms"
    );
    let rows = summary.kinds.iter().map(|(kind, figures)| (format!("{kind:?}").to_lowercase(), figures));
    let steady = Some(("steady".to_owned(), &summary.steady.figures)).filter(|(_, figures)| figures.requests > 0);
    for (name, f) in rows.chain([("all".to_owned(), &summary.total)]).chain(steady) {
        // Writing to a String never fails.
        let _ = writeln!(
            text,
            "{name:<10} {:>10} {:>8} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            f.requests, f.failed, f.per_second, f.p50_ms, f.p95_ms, f.p99_ms, f.max_ms
        );
    }
    for (error, count) in &summary.errors {
        let _ = writeln!(text, "failed {count} times: {error}");
    }
    for verdict in &summary.verdicts {
        let mark = if verdict.met { "met   " } else { "NOT MET" };
        let _ = writeln!(text, "{mark} {}: {}", verdict.demand, verdict.found);
    }
    text
}

/// Writes report.html and report.json.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(folder: &Path, summary: &Summary, measured: &Measured) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let json = serde_json::to_string_pretty(summary).map_err(io::Error::other)?;
    fs::write(folder.join("report.json"), json)?;
    fs::write(folder.join("report.html"), page(summary, measured))
}

/// The page: no script, nothing loaded from elsewhere.
fn page(summary: &Summary, measured: &Measured) -> String {
    let over_time = |of: fn(&Figures) -> f64| summary.over_time.iter().map(of).collect::<Vec<f64>>();
    let requests = chart("Requests per second", &[Line::new("requests", over_time(|f| f.per_second))]);
    let latency = chart(
        "Latency, ms",
        &[
            Line::new("p50", over_time(|f| f.p50_ms)),
            Line::new("p95", over_time(|f| f.p95_ms)),
            Line::new("p99", over_time(|f| f.p99_ms)),
        ],
    );
    let errors: Vec<Line> = measured
        .errors
        .iter()
        .map(|(error, seconds)| {
            let of = |second| seconds.get(&second).copied().unwrap_or(0) as f64;
            Line::new(error, (0..summary.over_time.len()).map(of).collect())
        })
        .collect();
    let errors =
        if errors.is_empty() { "<p>No request failed.</p>".to_owned() } else { chart("Errors per second", &errors) };
    let verdict = if summary.passed() { "Everything demanded was met." } else { "Not everything demanded was met." };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Load test of buoy</title>\
         <style>body{{font:15px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}pre{{overflow:auto}}</style>\
         <h1>Load test of {}</h1><p>{} users, {:.0} s. {verdict}</p><pre>{}</pre>{requests}{latency}{errors}</html>",
        escape(&summary.host),
        summary.users,
        summary.seconds,
        escape(&table(summary)),
    )
}
