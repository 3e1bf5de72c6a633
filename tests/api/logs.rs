//! What is logged: one JSON line per request, and nothing that does not belong there.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(each_request_has_one_line, nothing_private_is_logged, causes_are_logged_and_not_answered);

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
