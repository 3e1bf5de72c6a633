//! How the process ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    app::TestApp,
    common::{database::Kind, on_both_databases},
    process::Server,
    raw::Connection,
};

on_both_databases!(
    sigterm_ends_well,
    requests_in_flight_are_finished,
    clicks_in_flight_are_stored,
    what_is_not_finished_is_cut_off_at_the_deadline,
);

const SOON: Duration = Duration::from_secs(5);

async fn sigterm_ends_well(kind: Kind) {
    let mut app = TestApp::start_with(kind, &[("SHUTDOWN_DRAIN_SECONDS", "1")]).await;
    app.user("ann").await;
    app.server.signal("TERM");
    app.until("draining", || async { app.get("/ready").await.status == 503 }).await;
    let ready = app.get("/ready").await.problem(503, "draining");
    assert_eq!(ready["checks"]["shutdown"]["status"], "failing");
    let status = app.server.wait(SOON);
    assert_eq!(status.code(), Some(0), "{}", app.server.lines().join("\n"));
    let messages: Vec<_> = app.server.logs().iter().map(|line| line["message"].clone()).collect();
    assert!(messages.contains(&json!("shutting down")) && messages.last() == Some(&json!("stopped")), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_served_while_draining() {
    let mut app = TestApp::start_with(Kind::Sqlite, &[("SHUTDOWN_DRAIN_SECONDS", "1")]).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    assert_eq!(app.get("/users").await.header("connection"), None);
    // Opened before the signal, and idle when it comes.
    let mut idle = Connection::open(&app).await;
    assert!(idle.ask("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    app.server.signal("TERM");
    app.until("draining", || async { app.get("/ready").await.status == 503 }).await;
    // On new connections and on old ones; each answer closes its connection.
    let answer = app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await;
    assert_eq!((answer.status, answer.header("connection")), (302, Some("close")));
    assert_eq!(app.get("/health").await.header("connection"), Some("close"));
    let answer = idle.ask("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200") && answer.contains("connection: close"), "{answer}");
    assert_eq!(idle.rest().await, "");
    assert_eq!(app.server.wait(SOON).code(), Some(0));
    let again = TestApp::start_on(&app.database, &[]).await;
    assert_eq!(again.clicks(&url["id"]).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigint_ends_without_draining() {
    let mut app = TestApp::start_with(Kind::Sqlite, &[("SHUTDOWN_DRAIN_SECONDS", "20")]).await;
    app.user("ann").await;
    let begun = Instant::now();
    app.server.signal("INT");
    let status = app.server.wait(SOON);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let mut app = TestApp::start_with(Kind::Sqlite, &[("SHUTDOWN_DRAIN_SECONDS", "20")]).await;
    app.server.signal("TERM");
    app.until("draining", || async { app.get("/ready").await.status == 503 }).await;
    app.server.signal("TERM");
    assert_eq!(app.server.wait(SOON).code(), Some(143));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_and_sigquit_store_the_clicks() {
    for signal in ["HUP", "QUIT"] {
        // Nothing is written before the end.
        let variables = [("SHUTDOWN_DRAIN_SECONDS", "0"), ("CLICK_FLUSH_MS", "60000")];
        let mut app = TestApp::start_with(Kind::Sqlite, &variables).await;
        let url = app.url(app.user("ann").await, "https://example.com").await;
        assert_eq!(app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await.status, 302);
        app.server.signal(signal);
        assert_eq!(app.server.wait(SOON).code(), Some(0), "SIG{signal}");
        let again = TestApp::start_on(&app.database, &[]).await;
        assert_eq!(again.clicks(&url["id"]).await, 1, "SIG{signal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_without_a_meaning_do_nothing() {
    let mut app = TestApp::start_with(Kind::Sqlite, &[("SHUTDOWN_DRAIN_SECONDS", "0")]).await;
    for signal in ["USR1", "USR2", "PIPE"] {
        app.server.signal(signal);
        assert_eq!(app.get("/ready").await.status, 200, "SIG{signal}");
    }
    app.server.signal("TERM");
    assert_eq!(app.server.wait(SOON).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_nohup_a_terminal_that_closes_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_under_nohup(folder.path(), &[("SHUTDOWN_DRAIN_SECONDS", "0")]);
    let address = server.address().await;
    server.signal("HUP");
    let ready = crate::app::client().get(format!("{address}/health")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    server.signal("TERM");
    assert_eq!(server.wait(SOON).code(), Some(0));
    assert!(server.logs().iter().all(|line| line["signal"] != "SIGHUP"), "{:?}", server.lines());
}

async fn requests_in_flight_are_finished(kind: Kind) {
    let mut app = TestApp::start_with(kind, &[("SHUTDOWN_DRAIN_SECONDS", "0")]).await;
    let mut slow = Connection::open(&app).await;
    let body = json!({"username": "ann", "email": "ann@example.com"}).to_string();
    let (first, last) = body.split_at(10);
    let head = "POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    slow.send(&format!("{head}content-length: {}\r\n\r\n{first}", body.len())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    app.server.signal("TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    slow.send(last).await;
    let answer = slow.rest().await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(app.server.wait(SOON).code(), Some(0));
    let again = TestApp::start_on(&app.database, &[]).await;
    assert_eq!(again.get("/users").await.expect(200)[0]["username"], "ann");
}

async fn clicks_in_flight_are_stored(kind: Kind) {
    // Nothing is written before the end.
    let variables = [("SHUTDOWN_DRAIN_SECONDS", "0"), ("CLICK_FLUSH_MS", "60000")];
    let mut app = TestApp::start_with(kind, &variables).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    let follow = format!("/{}", url["short_code"].as_str().unwrap());
    let answers = futures_util::future::join_all((0..100).map(|_| app.get(&follow))).await;
    assert!(answers.iter().all(|answer| answer.status == 302));
    app.server.signal("TERM");
    assert_eq!(app.server.wait(SOON).code(), Some(0));
    let again = TestApp::start_on(&Arc::clone(&app.database), &[]).await;
    assert_eq!(again.clicks(&url["id"]).await, 100);
}

async fn what_is_not_finished_is_cut_off_at_the_deadline(kind: Kind) {
    let variables = [("SHUTDOWN_DRAIN_SECONDS", "0"), ("SHUTDOWN_GRACE_SECONDS", "2")];
    let mut app = TestApp::start_with(kind, &variables).await;
    let mut stuck = Connection::open(&app).await;
    stuck
        .send(
            "POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
        )
        .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    app.server.signal("TERM");
    app.server.wait(SOON);
    assert!(begun.elapsed() < Duration::from_millis(2_500), "{:?}", begun.elapsed());
    assert_eq!(stuck.rest().await, "");
}
