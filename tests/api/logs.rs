//! What is logged: one JSON line per request, and nothing that does not belong there.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    common::{database::Kind, on_both_databases},
    raw::Connection,
};

on_both_databases!(each_request_has_one_line, nothing_private_is_logged, causes_are_logged_and_not_answered);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_from_the_cache_are_logged_if_asked_for() {
    for (level, lines) in [("info", 0), ("info,buoy::redirect=debug", 1)] {
        let app = TestApp::start_with(Kind::Sqlite, &[("LOG_LEVEL", level)]).await;
        let url = app.url(app.user("ann").await, "https://example.com").await;
        let follow = format!("/{}", url["short_code"].as_str().unwrap());
        // From the database, so a line like any other request's; it fills the cache.
        assert_eq!(app.get(&follow).await.status, 302);
        let request = app.request(Method::GET, &follow).header("x-request-id", "cached");
        assert_eq!(send(request).await.status, 302);
        // Lines keep their order.
        send(app.request(Method::GET, "/health").header("x-request-id", "last")).await;
        app.until("logged", || async { requests(&app).iter().any(|line| line["request.id"] == "last") }).await;
        let logged: Vec<_> = requests(&app).into_iter().filter(|line| line["request.id"] == "cached").collect();
        assert_eq!(logged.len(), lines, "{level}: {logged:?}");
        for line in logged {
            assert_eq!((&line["target"], &line["level"]), (&json!("buoy::redirect"), &json!("DEBUG")), "{line}");
            assert_eq!((&line["http.route"], &line["http.status"]), (&json!("/{short_code}"), &json!(302)), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_log_that_stalls_stops_nothing() {
    let (mut app, url) = stalled().await;
    assert_eq!(app.get("/ready").await.status, 200);
    app.server.signal("TERM");
    assert_eq!(app.server.wait(Duration::from_secs(10)).code(), Some(0));
    let again = TestApp::start_on(&app.database, &[]).await;
    assert!(again.clicks(&url["id"]).await > 1_000, "clicks are stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_go_on_when_the_log_is_read_again() {
    let (mut app, _) = stalled().await;
    app.server.stall_reader(false);
    app.until("logged again", || async {
        send(app.request(Method::GET, "/health").header("x-request-id", "again")).await;
        requests(&app).iter().any(|line| line["request.id"] == "again")
    })
    .await;
    let count = dropped(&app).await;
    app.server.signal("TERM");
    assert_eq!(app.server.wait(Duration::from_secs(10)).code(), Some(0));
    let told = || app.server.logs().iter().find_map(|line| line["lines"].as_f64());
    app.until("the count is told", || async { told() == Some(count) }).await;
    for line in app.server.lines() {
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "a line came in parts: {line}");
    }
}

/// A service that has dropped lines, as the reader of its log stalls, and the link that was followed.
async fn stalled() -> (TestApp, Value) {
    let variables =
        [("LOG_LEVEL", "info,buoy::redirect=debug"), ("SHUTDOWN_DRAIN_SECONDS", "0"), ("SHUTDOWN_GRACE_SECONDS", "10")];
    let app = TestApp::start_with(Kind::Sqlite, &variables).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    let follow = format!("/{}", url["short_code"].as_str().unwrap());
    assert_eq!(dropped(&app).await, 0.0);
    app.server.stall_reader(true);
    app.until("lines are dropped", || async {
        let answers = join_all((0..500).map(|_| app.get(&follow))).await;
        assert!(answers.iter().all(|answer| answer.status == 302));
        dropped(&app).await > 0.0
    })
    .await;
    (app, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_method_and_a_long_path_are_not_logged_whole() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (method, path) = ("M".repeat(10_000), format!("/{}", "p".repeat(10_000)));
    let mut raw = Connection::open(&app).await;
    let answer = raw.ask(&format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-request-id: long\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    app.until("logged", || async { requests(&app).iter().any(|line| line["request.id"] == "long") }).await;
    let line = requests(&app).into_iter().find(|line| line["request.id"] == "long").unwrap();
    assert_eq!(line["http.method"], "M".repeat(32));
    assert!(line.to_string().len() < 400, "{line}");
}

/// Log lines that were dropped so far.
async fn dropped(app: &TestApp) -> f64 {
    app.metric("buoy_log_lines_dropped_total").await
}

fn requests(app: &TestApp) -> Vec<Value> {
    app.server.logs().into_iter().filter(|line| line["message"] == "request").collect()
}

async fn each_request_has_one_line(kind: Kind) {
    let app = TestApp::start(kind).await;
    let sent = [
        ("GET", "/health", 200, "/health"),
        ("POST", "/users", 415, "/users"),
        ("GET", "/users/7", 404, "/users/{id}"),
        ("HEAD", "/unheard", 404, "/{short_code}"),
        ("GET", "/urls/unheard/redirect", 404, "/urls/{id}/redirect"),
        ("GET", "/users?page=0", 422, "/users"),
        ("GET", "/no/such/route", 404, "none"),
        ("BREW", "/users", 405, "/users"),
    ];
    for (index, (method, path, _, _)) in sent.iter().enumerate() {
        let request = app.request(method.parse().unwrap(), path).header("x-request-id", format!("mine-{index}"));
        send(request.body(if *method == "POST" { "x" } else { "" })).await;
    }
    let mine = |line: &Value| line["request.id"].as_str().is_some_and(|id| id.starts_with("mine-"));
    app.until("logged", || async { requests(&app).iter().filter(|line| mine(line)).count() == sent.len() }).await;
    for (index, (method, path, status, route)) in sent.iter().enumerate() {
        let logged: Vec<_> =
            requests(&app).into_iter().filter(|line| line["request.id"] == format!("mine-{index}")).collect();
        assert_eq!(logged.len(), 1, "{path}");
        let line = &logged[0];
        assert_eq!((&line["http.method"], &line["http.status"]), (&json!(method), &json!(status)), "{line}");
        assert_eq!(line["http.route"], *route, "{line}");
        assert!(line["duration_ms"].as_f64().is_some_and(|took| took >= 0.0), "{line}");
        assert!(line["timestamp"].is_string() && line["level"] == "INFO", "{line}");
    }
}

async fn nothing_private_is_logged(kind: Kind) {
    let app = TestApp::start_with(kind, &[("LOG_LEVEL", "trace")]).await;
    let user = app.user("very-private-name").await;
    let body = json!({"user_id": user, "original_url": "https://target.example/very-private-path", "title": "very-private-title"});
    let url = app.post_with_key("/urls", "very-private-key", &body).await.expect(201);
    let code = url["short_code"].as_str().unwrap();
    let visit = app.request(Method::GET, &format!("/{code}?very-private-query=1"));
    let visit = visit.header("user-agent", "very-private-agent").header("x-forwarded-for", "203.0.113.77");
    let visit = visit
        .header("referer", "https://very-private-referrer.example")
        .header("authorization", "Bearer very-private-token");
    assert_eq!(send(visit).await.status, 302);
    app.post("/users", &json!({"username": "very-private-name", "email": "x@y.example"}))
        .await
        .problem(409, "username_taken");
    app.get("/users?page=very-private-page").await;
    app.get(&format!("/events?url_id={}", url["id"])).await.expect(200);
    app.until("logged", || async { requests(&app).len() >= 6 }).await;
    for line in app.server.lines() {
        let parsed = serde_json::from_str::<Value>(&line);
        assert!(parsed.is_ok_and(|parsed| parsed.is_object()), "not one JSON object: {line}");
        for word in ["very-private", "203.0.113.77", "SELECT", "INSERT", "UPDATE ", "FROM urls", code] {
            assert!(!line.contains(word), "{word}: {line}");
        }
        if let Some(password) = url::Url::parse(&app.database.url).unwrap().password() {
            assert!(!line.contains(password), "{line}");
        }
    }
}

async fn causes_are_logged_and_not_answered(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.execute("ALTER TABLE urls RENAME TO urls_elsewhere").await;
    let request = app.request(Method::GET, "/urls?page=1").header("x-request-id", "broken");
    send(request).await.problem(500, "internal_error");
    app.until("logged", || async { requests(&app).iter().any(|line| line["request.id"] == "broken") }).await;
    let line = requests(&app).into_iter().find(|line| line["request.id"] == "broken").unwrap();
    assert_eq!(line["level"], "ERROR");
    assert!(line["cause"].as_str().is_some_and(|cause| cause.contains("urls")), "{line}");
    app.database.execute("ALTER TABLE urls_elsewhere RENAME TO urls").await;
    app.get("/urls?page=1").await.expect(200);
}
