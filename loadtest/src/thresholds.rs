//! What a run must keep to, and whether it did.

use serde::Serialize;

use crate::{options::Options, summary::Summary};

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

/// Judges a run by the demands of the command line. One in which nothing was asked never passes.
pub fn judge(options: &Options, summary: &Summary) -> Vec<Verdict> {
    let total = &summary.total;
    let error_rate = 100.0 * total.failed as f64 / total.requests.max(1) as f64;
    let mut verdicts = vec![
        verdict("requests at least 1", total.requests.to_string(), total.requests > 0),
        verdict(
            &format!("failed requests at most {} %", options.max_error_rate),
            format!("{} of {}, {error_rate:.3} %", total.failed, total.requests),
            error_rate <= options.max_error_rate,
        ),
        clicks(options, summary),
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

fn clicks(options: &Options, summary: &Summary) -> Verdict {
    let demand = format!("clicks made and counted differ by at most {}", options.max_click_difference);
    match summary.clicks {
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
    use tokio::time::Instant;

    use super::*;
    use crate::{
        clicks::Clicks,
        recorder::{Kind, Recorder},
    };

    async fn unmet(arguments: &[&str], failed: usize, clicks: Option<Clicks>) -> Vec<String> {
        let mut all = vec!["loadtest", "--host", "http://127.0.0.1"];
        all.extend(arguments);
        let options = Options::parse_from(all);
        let recorder = Recorder::new();
        let due = Instant::now() - Duration::from_millis(20);
        (0..1_000).for_each(|n| recorder.record(Kind::Visit, due, (n < failed).then_some("status 500")));
        let summary = Summary::new(&options, &recorder.measured(), Duration::from_secs(1), clicks);
        assert_eq!(summary.passed(), summary.verdicts.iter().all(|verdict| verdict.met));
        summary.verdicts.into_iter().filter(|verdict| !verdict.met).map(|verdict| verdict.demand).collect()
    }

    #[tokio::test]
    async fn each_demand_fails_by_itself() {
        let right = Some(Clicks { made: 5, unsure: 0, counted: 5, difference: 0 });
        let wrong = Some(Clicks { made: 5, unsure: 0, counted: 4, difference: 1 });
        assert!(
            unmet(&["--max-p95-ms", "500", "--max-p99-ms", "500", "--min-rate", "1000"], 0, right).await.is_empty()
        );
        assert_eq!(unmet(&[], 1, right).await, ["failed requests at most 0 %"]);
        assert!(unmet(&["--max-error-rate", "0.1"], 1, right).await.is_empty());
        assert_eq!(unmet(&["--max-p95-ms", "5"], 0, right).await, ["p95 at most 5 ms"]);
        assert_eq!(unmet(&["--max-p99-ms", "5"], 0, right).await, ["p99 at most 5 ms"]);
        assert_eq!(unmet(&["--min-rate", "1001"], 0, right).await, ["requests per second at least 1001"]);
        assert_eq!(unmet(&[], 0, wrong).await, ["clicks made and counted differ by at most 0"]);
        assert!(unmet(&["--max-click-difference", "1"], 0, wrong).await.is_empty());
        assert_eq!(unmet(&[], 0, None).await.len(), 1);
    }
}
