//! PostgreSQL that is away, comes late, is lost, or has another schema.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    app::TestApp,
    common::database::{Database, Kind},
    forwarder::Forwarder,
};

/// Every route that needs the database: method, path, and whether it takes a body.
const ROUTES: &[(&str, &str, bool)] = &[
    ("GET", "/users", false),
    ("GET", "/users?page=1", false),
    ("GET", "/users/1", false),
    ("POST", "/users", true),
    ("PUT", "/users/1", true),
    ("DELETE", "/users/1", false),
    ("GET", "/urls", false),
    ("GET", "/urls/1", false),
    ("POST", "/urls", true),
    ("PATCH", "/urls/1", true),
    ("DELETE", "/urls/1", false),
    ("GET", "/events", false),
    ("GET", "/events/1", false),
    ("POST", "/events", true),
    ("GET", "/unheard", false),
    ("HEAD", "/unheard", false),
    ("GET", "/urls/unheard/redirect", false),
];

/// A body that the route takes.
fn body(path: &str) -> serde_json::Value {
    match path {
        "/users" | "/users/1" => json!({"username": "ann", "email": "ann@example.com"}),
        "/urls" => json!({"user_id": 1, "original_url": "https://example.com"}),
        "/urls/1" => json!({"title": "x"}),
        _ => json!({"event_type": "click", "url_id": 1}),
    }
}

/// Every route answers 503 within a second, and says when to try again.
async fn assert_unavailable(app: &TestApp) {
    for (method, path, takes_body) in ROUTES {
        let request = app.request(method.parse().unwrap(), path);
        let begun = Instant::now();
        let answer = crate::app::send(if *takes_body { request.json(&body(path)) } else { request }).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{method} {path} took {:?}", begun.elapsed());
        assert_eq!(answer.status, 503, "{method} {path}: {answer:?}");
        assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{answer:?}");
        if *method != "HEAD" {
            answer.problem(503, "database_unavailable");
        }
    }
}

async fn assert_not_ready(app: &TestApp, code: &str) {
    app.until("told why", || async { app.get("/ready").await.json()["checks"]["database"]["code"] == code }).await;
    let ready = app.get("/ready").await;
    let body = ready.problem(503, "not_ready");
    assert!(body["checks"]["database"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{body}");
    assert!(ready.header("retry-after").is_some());
    assert_eq!(app.get("/health").await.expect(200)["status"], "ok");
}

/// A process that reaches its database through a forwarder.
async fn launch_through(forwarder: &Forwarder, database: &Arc<Database>, variables: &[(&str, &str)]) -> TestApp {
    let mut all = vec![("DATABASE_URL", forwarder.url.as_str())];
    all.extend(variables);
    TestApp::launch(database, &all).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let mut forwarder = Forwarder::closed(&database.url);
    let app = launch_through(&forwarder, &database, &[]).await;
    assert_not_ready(&app, "unreachable").await;
    assert_unavailable(&app).await;
    app.get("/no/such/route").await.problem(404, "route_not_found");
    app.post("/users", &json!({})).await.problem(422, "invalid_fields");
    let waits = || app.server.logs().into_iter().filter(|line| line["message"] == "database not ready");
    app.until("tried", || async { waits().count() > 0 }).await;
    forwarder.open();
    let begun = Instant::now();
    app.until_ready().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "ready after {:?}", begun.elapsed());
    app.user("ann").await;
    // One line per attempt, spaced further and further.
    let waits: Vec<_> = waits().collect();
    assert!(waits.len() < 60, "{waits:?}");
    assert!(waits.iter().all(|line| line["retry_ms"].is_u64() && line["reason"].is_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_a_schema_is_waited_for() {
    let database = Arc::new(Database::empty(Kind::Postgres).await);
    let app = TestApp::launch(&database, &[]).await;
    assert_not_ready(&app, "schema_missing").await;
    assert_unavailable(&app).await;
    let migrated = crate::process::run(database.folder(), &["migrate"], &[("DATABASE_URL", &database.url)]);
    assert!(migrated.status.success(), "{migrated:?}");
    app.until_ready().await;
    app.user("ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_too_old_is_waited_for() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    database.execute("UPDATE _sqlx_migrations SET version = version - 1000").await;
    let app = TestApp::launch(&database, &[]).await;
    assert_not_ready(&app, "schema_too_old").await;
    assert_unavailable(&app).await;
    database.execute("UPDATE _sqlx_migrations SET version = version + 1000").await;
    app.until_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_fine() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99999, 'from the future', TRUE, '\\x00', 0)";
    database.execute(newer).await;
    let app = TestApp::start_on(&database, &[]).await;
    app.user("ann").await;
    // The older version leaves it as it is.
    let migrated = crate::process::run(database.folder(), &["migrate"], &[("DATABASE_URL", &database.url)]);
    assert!(migrated.status.success(), "{migrated:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_lost_is_found_again() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let mut forwarder = Forwarder::opened(&database.url);
    let app = launch_through(&forwarder, &database, &[]).await;
    app.until_ready().await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    for _ in 0..2 {
        forwarder.close().await;
        assert_unavailable_at_once(&app).await;
        app.until("degraded", || async { app.get("/ready").await.json()["status"] == "degraded" }).await;
        let ready = app.get("/ready").await.expect(200);
        assert_eq!(ready["checks"]["database"]["code"], "unreachable");
        assert_eq!(app.get("/health").await.status, 200);
        assert_unavailable(&app).await;
        forwarder.open();
        app.until_ready().await;
        assert_eq!(app.get(&format!("/urls/{}", url["id"])).await.expect(200), url);
    }
    let lost = app.server.logs().iter().filter(|line| line["message"] == "database lost").count();
    assert_eq!(lost, 2);
}

/// Before the loss is noticed no request hangs either, and none is a fault of the program's.
async fn assert_unavailable_at_once(app: &TestApp) {
    let begun = Instant::now();
    app.get("/users/1").await.problem(503, "database_unavailable");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_falls_silent_is_lost() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let forwarder = Forwarder::opened(&database.url);
    let app = launch_through(&forwarder, &database, &[]).await;
    app.until_ready().await;
    app.get("/users").await.expect(200);
    forwarder.fall_silent().await;
    // Asked on a connection that looks sound: it ends when the silence is noticed.
    let begun = Instant::now();
    app.get("/users/1").await.problem(503, "database_unavailable");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    app.until("degraded", || async { app.get("/ready").await.json()["status"] == "degraded" }).await;
    assert_unavailable(&app).await;
    forwarder.speak();
    app.until_ready().await;
    app.user("ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clicks_of_an_outage_are_stored_afterwards() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let mut forwarder = Forwarder::opened(&database.url);
    let app = launch_through(&forwarder, &database, &[("CLICK_FLUSH_MS", "400")]).await;
    app.until_ready().await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    for _ in 0..10 {
        assert_eq!(app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await.status, 302);
    }
    forwarder.close().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    forwarder.open();
    app.until_ready().await;
    // A busy machine may take longer to connect again than a request waits.
    let path = format!("/events?event_type=click&url_id={}", url["id"]);
    app.until("stored", || async {
        let events = app.get(&path).await;
        events.status == 200 && events.json().as_array().is_some_and(|events| events.len() == 10)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_become_wrong_are_an_outage() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let role = database.role().await;
    let app = TestApp::launch(&database, &[("DATABASE_URL", &role.url)]).await;
    app.until_ready().await;
    role.change_password("other").await;
    app.until("degraded", || async { app.get("/ready").await.json()["status"] == "degraded" }).await;
    role.change_password(&role.password).await;
    app.until_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_on_start_waits_for_the_server_and_for_each_other() {
    let database = Arc::new(Database::empty(Kind::Postgres).await);
    let mut forwarder = Forwarder::closed(&database.url);
    let variables = [("MIGRATE_ON_START", "true")];
    let through = launch_through(&forwarder, &database, &variables).await;
    assert_not_ready(&through, "unreachable").await;
    let (one, two) = tokio::join!(TestApp::launch(&database, &variables), TestApp::launch(&database, &variables));
    forwarder.open();
    for app in [&through, &one, &two] {
        app.until_ready().await;
        let failed = app.server.lines().into_iter().find(|line| line.contains("could not migrate"));
        assert_eq!(failed, None);
    }
    assert_eq!(one.user("ann").await, 1);
    assert_eq!(two.get("/users").await.expect(200).as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_may_migrate_at_once() {
    let database = Database::empty(Kind::Postgres).await;
    let migrate = || {
        let (folder, url) = (database.folder().to_owned(), database.url.clone());
        tokio::task::spawn_blocking(move || crate::process::run(&folder, &["migrate"], &[("DATABASE_URL", &url)]))
    };
    let ended = tokio::join!(migrate(), migrate(), migrate());
    for ended in [ended.0.unwrap(), ended.1.unwrap(), ended.2.unwrap()] {
        assert!(ended.status.success(), "{ended:?}");
    }
    TestApp::start_on(&Arc::new(database), &[]).await.user("ann").await;
}
