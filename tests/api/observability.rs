//! The alerts and the board in `deploy/observability`: every metric that they name is one that the service exports.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;

use crate::{
    app::{Answer, TestApp, send},
    common::database::Kind,
};

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

const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

async fn scrape(app: &TestApp, accept: Option<&str>) -> Answer {
    let request = app.request(Method::GET, "/metrics");
    send(accept.into_iter().fold(request, |request, accept| request.header("accept", accept))).await
}

/// The names of samples, without labels.
fn series(page: &str) -> BTreeSet<&str> {
    page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split([' ', '{']).next()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_come_in_the_format_that_the_client_asks_for() {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let app = TestApp::start(Kind::Sqlite).await;
    app.get("/users").await.expect(200);
    for (accept, kind) in [
        (None, TEXT),
        (Some("*/*"), TEXT),
        (Some("text/plain"), TEXT),
        (Some("application/openmetrics-text;q=0, */*"), TEXT),
        (Some("application/openmetrics-text"), OPENMETRICS),
        (Some(PROMETHEUS), OPENMETRICS),
    ] {
        let answer = scrape(&app, accept).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{accept:?}");
        assert_eq!(answer.header("vary"), Some("accept"));
        assert_eq!(answer.body.ends_with("# EOF\n"), kind == OPENMETRICS, "{accept:?}");
        assert_eq!(answer.body.matches("# EOF").count(), usize::from(kind == OPENMETRICS), "{accept:?}");
    }
    let (text, openmetrics) = (scrape(&app, None).await.body, scrape(&app, Some(PROMETHEUS)).await.body);
    assert_eq!(series(&text), series(&openmetrics));
}

/// What `promtool check metrics` finds fault with, for each family of the text format.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_format_is_as_promtool_wants_it() {
    let app = TestApp::start(Kind::Sqlite).await;
    app.get("/users").await.expect(200);
    let page = scrape(&app, None).await.body;
    let kinds: BTreeMap<&str, &str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let helps: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    assert_eq!(kinds.keys().copied().collect::<BTreeSet<_>>(), helps);
    for (name, kind) in &kinds {
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
        assert!(["counter", "gauge", "histogram"].contains(kind), "{name} is a {kind}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(!name.ends_with("_ms") && !name.ends_with("_mb"), "{name} is not in a base unit");
    }
    for sample in series(&page) {
        let family =
            ["_bucket", "_count", "_sum"].iter().find_map(|suffix| sample.strip_suffix(suffix)).unwrap_or(sample);
        assert!(kinds.contains_key(family), "{sample} has no type");
    }
    let number = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {page}")).parse::<f64>().unwrap()
    };
    assert!(number("process_resident_memory_bytes") > 1e6 && number("process_virtual_memory_bytes") > 1e6);
    assert!((1.0..=number("process_max_fds")).contains(&number("process_open_fds")));
    assert!(number("process_cpu_seconds_total") >= 0.0 && number("process_threads") >= 1.0);
    // After 2020.
    assert!(number("process_start_time_seconds") > 1.58e9);
}
