//! The alerts and the board in `deploy/observability`: every metric that they name is one that the service exports.

use std::collections::BTreeSet;

use crate::{app::TestApp, common::database::Kind};

const FILES: [&str; 2] = [
    include_str!("../../deploy/observability/rules.yml"),
    include_str!("../../deploy/observability/grafana/buoy.json"),
];

/// The series that a page of metrics declares, also those that have no sample yet.
fn exported(page: &str) -> BTreeSet<String> {
    let declared = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let series = declared.flat_map(|(name, kind)| {
        let suffixes: &[&str] = match kind {
            "counter" if !name.ends_with("_total") => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
    });
    series.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_and_board_name_metrics_that_exist() {
    let app = TestApp::start(Kind::Sqlite).await;
    let exported = exported(&app.get("/metrics").await.body);
    let words = FILES.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let named: BTreeSet<&str> =
        words.filter(|word| word.starts_with("buoy_") || word.starts_with("process_")).collect();
    assert!(named.contains("buoy_database_ready"), "{named:?}");
    let unknown: Vec<_> = named.into_iter().filter(|name| !exported.contains(*name)).collect();
    assert_eq!(unknown, Vec::<&str>::new(), "{exported:?}");
}
