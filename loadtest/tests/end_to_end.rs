//! Whole runs of a few seconds: against buoy itself, and against a fake that errs on purpose.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod fake;

use std::{path::PathBuf, time::Duration};

use buoy::{cli::serve, config::Config, telemetry::DroppedLines};
use clap::Parser as _;
use loadtest::{attack, bench::process::free_port, options::Options, recorder::Kind, summary::Summary};

use fake::Faults;

async fn run(port: u16, arguments: &[&str]) -> (Summary, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let host = format!("http://127.0.0.1:{port}");
    let output = folder.path().to_string_lossy().into_owned();
    let all = ["loadtest", "--host", &host, "--output", &output, "--users", "5", "--start-rate", "50", "--links", "30"];
    let all = all.into_iter().chain(arguments.iter().copied());
    let summary = attack::run(&Options::parse_from(all)).await.unwrap();
    (summary, folder)
}

fn unmet(summary: &Summary) -> Vec<&str> {
    summary.verdicts.iter().filter(|verdict| !verdict.met).map(|verdict| verdict.demand.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buoy_answers_as_it_should_and_counts_every_click() {
    let database = tempfile::tempdir().unwrap();
    let file: PathBuf = database.path().join("buoy.db");
    let port = free_port().unwrap();
    let variables = [("DATABASE_URL", format!("sqlite:{}", file.display())), ("PORT", port.to_string())];
    let config = Config::from_vars(variables.map(|(name, value)| (name.to_owned(), value))).unwrap();
    let server = tokio::spawn(serve::run(config, DroppedLines::default()));
    ready(port).await;
    let (summary, folder) = run(port, &["--seconds", "3", "--think-ms", "5"]).await;
    assert!(summary.passed(), "{summary:?}");
    for kind in [Kind::Visit, Kind::Unknown, Kind::Create, Kind::List, Kind::Update, Kind::Changed, Kind::Delete] {
        assert!(summary.kinds.contains_key(&kind), "{kind:?} in {summary:?}");
    }
    let clicks = summary.clicks.unwrap();
    assert_eq!((clicks.made, clicks.difference), (summary.kinds[&Kind::Visit].requests, 0));
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2, "no errors, so no chart of them");
    let json = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["total"]["requests"], summary.total.requests);
    let left = reqwest::get(format!("http://127.0.0.1:{port}/urls")).await.unwrap().text().await.unwrap();
    assert_eq!(left, "[]", "what was prepared is removed");
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fake_that_does_everything_right_passes() {
    let port = fake::start(Faults::default()).await;
    let (summary, _folder) = run(port, &["--seconds", "2", "--rate", "200", "--scenario", "visit"]).await;
    assert!(summary.passed(), "{summary:?}");
    // 200 a second from the first user on: over two seconds and the time that stopping takes.
    assert!((300..1_200).contains(&summary.total.requests), "{summary:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_location_and_a_forgotten_click_are_found() {
    let faults = Faults { wrong_location_every: 50, forget_click_every: 40, old_target: false };
    let (summary, folder) =
        run(fake::start(faults).await, &["--seconds", "2", "--think-ms", "2", "--settle-seconds", "1"]).await;
    assert!(summary.errors.contains_key("the wrong Location"), "{summary:?}");
    assert_eq!(unmet(&summary).len(), 2, "{summary:?}");
    assert!(summary.clicks.unwrap().difference > 0, "{summary:?}");
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("Errors per second"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_not_seen_is_found() {
    let faults = Faults { old_target: true, ..Faults::default() };
    let (summary, _folder) =
        run(fake::start(faults).await, &["--seconds", "2", "--think-ms", "2", "--scenario", "manage"]).await;
    let changed = &summary.kinds[&Kind::Changed];
    assert!(changed.requests > 0 && changed.failed == changed.requests, "{summary:?}");
}

async fn ready(port: u16) {
    for _ in 0..200 {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}/ready")).await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("buoy is not ready");
}
