//! What a run must keep to, and whether it did.

use serde::Serialize;

use crate::{clicks::Clicks, figures::Figures, options::Options};

/// A demand, and whether it was met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What was demanded.
    pub demand: String,
    /// What was found.
    pub found: String,
    /// Whether that is good enough.
    pub met: bool,
}

/// Judges a run by the demands of the command line. A run without requests never passes.
pub fn judge(options: &Options, total: &Figures, counted: Option<Clicks>) -> Vec<Verdict> {
    let error_rate = 100.0 * total.failed as f64 / total.requests.max(1) as f64;
    let mut verdicts = vec![
        verdict("requests at least 1", total.requests.to_string(), total.requests > 0),
        verdict(
            &format!("failed requests at most {} %", options.max_error_rate),
            format!("{} of {}, {error_rate:.3} %", total.failed, total.requests),
            error_rate <= options.max_error_rate,
        ),
        clicks(options, counted),
    ];
    let most = |name: &str, limit: Option<f64>, found: f64| {
        limit.map(|limit| verdict(&format!("{name} at most {limit} ms"), format!("{found:.1} ms"), found <= limit))
    };
    verdicts.extend(most("p95", options.max_p95_ms, total.p95_ms));
    verdicts.extend(most("p99", options.max_p99_ms, total.p99_ms));
    verdicts.extend(options.min_rate.map(|least| {
        let demand = format!("requests per second at least {least}");
        verdict(&demand, format!("{:.0}", total.per_second), total.per_second >= least)
    }));
    verdicts
}

fn clicks(options: &Options, counted: Option<Clicks>) -> Verdict {
    let demand = format!("clicks made and counted differ by at most {}", options.max_click_difference);
    match counted {
        None => verdict(&demand, "the statistics did not answer".to_owned(), false),
        Some(clicks) => {
            let found = format!("{} made, {} counted, {} unsure", clicks.made, clicks.counted, clicks.unsure);
            verdict(&demand, found, clicks.difference <= options.max_click_difference)
        }
    }
}

fn verdict(demand: &str, found: String, met: bool) -> Verdict {
    Verdict { demand: demand.to_owned(), found, met }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::recorder::Tally;

    fn unmet(arguments: &[&str], failed: u64, clicks: Option<Clicks>) -> Vec<String> {
        let options = Options::parse_from(["loadtest", "--host", "http://127.0.0.1"].iter().chain(arguments));
        let mut tally = Tally::default();
        (0..1_000).for_each(|n| tally.add(Duration::from_millis(20), n < failed));
        let verdicts = judge(&options, &Figures::of(&tally, 1.0), clicks);
        verdicts.into_iter().filter(|verdict| !verdict.met).map(|verdict| verdict.demand).collect()
    }

    #[test]
    fn each_demand_fails_by_itself() {
        let right = Some(Clicks { made: 5, unsure: 0, counted: 5, difference: 0 });
        let wrong = Some(Clicks { made: 5, unsure: 0, counted: 4, difference: 1 });
        assert!(unmet(&["--max-p95-ms", "500", "--max-p99-ms", "500", "--min-rate", "1000"], 0, right).is_empty());
        assert_eq!(unmet(&[], 1, right), ["failed requests at most 0 %"]);
        assert!(unmet(&["--max-error-rate", "0.1"], 1, right).is_empty());
        assert_eq!(unmet(&["--max-p95-ms", "5"], 0, right), ["p95 at most 5 ms"]);
        assert_eq!(unmet(&["--max-p99-ms", "5"], 0, right), ["p99 at most 5 ms"]);
        assert_eq!(unmet(&["--min-rate", "1001"], 0, right), ["requests per second at least 1001"]);
        assert_eq!(unmet(&[], 0, wrong), ["clicks made and counted differ by at most 0"]);
        assert!(unmet(&["--max-click-difference", "1"], 0, wrong).is_empty());
        assert_eq!(unmet(&[], 0, None).len(), 1);
    }
}
