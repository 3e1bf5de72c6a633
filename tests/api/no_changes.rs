//! Databases that take no changes: a full disk, a standby, a file that is only read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    access::{ADMIN, Guarded},
    app::TestApp,
    common::{
        database::{Database, Kind, on_server},
        sums::assert_clicks_add_up,
    },
};

fn path(url: &Value) -> String {
    format!("/{}", url["short_code"].as_str().unwrap())
}

fn user(name: &str) -> Value {
    json!({"username": name, "email": format!("{name}@example.com")})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_work_again_once_a_full_disk_has_room() {
    let database = Arc::new(Database::fresh(Kind::Sqlite).await);
    let app = TestApp::start_boundable(&database, &[("CLICK_FLUSH_MS", "20")]).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    for round in 1..=2 {
        app.server.limit_files(Some(0));
        for nth in 0..5 {
            let refused = app.post("/users", &user(&format!("nobody{nth}"))).await;
            refused.problem(503, "database_unavailable");
            assert_eq!(refused.header("retry-after"), Some("2"));
        }
        // Reads and redirects go on; the click waits, and readiness tells of it.
        app.get("/users/1").await.expect(200);
        assert_eq!(app.get(&path(&url)).await.status, 302);
        app.until("told", || async { app.get("/ready").await.json()["checks"]["clicks"]["status"] == "failing" }).await;
        let ready = app.get("/ready").await.expect(200);
        assert_eq!((&ready["status"], &ready["checks"]["clicks"]["code"]), (&json!("degraded"), &json!("not_stored")));
        app.server.limit_files(None);
        // More than there are connections: each of them works.
        let bodies: Vec<Value> = (0..10).map(|nth| user(&format!("user{round}x{nth}"))).collect();
        for created in join_all(bodies.iter().map(|body| app.post("/users", body))).await {
            created.expect(201);
        }
        app.until("stored", || async { app.clicks(&url["id"]).await == round }).await;
        app.until_ready().await;
    }
    assert_eq!(app.metric("buoy_clicks_lost_total").await, 0.0);
    assert_clicks_add_up(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_only_read_serves() {
    let database = Arc::new(Database::fresh(Kind::Sqlite).await);
    let url = {
        let app = TestApp::start_on(&database, &[]).await;
        app.url(app.user("ann").await, "https://example.com").await
    };
    let read_only = format!("{}?mode=ro", database.url);
    let app = TestApp::start_on(&database, &[("DATABASE_URL", &read_only)]).await;
    assert_eq!(app.get(&path(&url)).await.status, 302);
    let read = app.get(&format!("/urls/{}", url["id"])).await.expect(200);
    assert_eq!(read["original_url"], url["original_url"]);
    assert_no_change(&app, None).await;
}

/// Changes are refused with the reason.
async fn assert_no_change(app: &TestApp, credentials: Option<&str>) {
    let request = app.request(Method::POST, "/users").json(&user("nobody"));
    let request = credentials.into_iter().fold(request, |request, token| request.bearer_auth(token));
    let refused = crate::app::send(request).await;
    let problem = refused.problem(503, "database_read_only");
    assert!(problem["detail"].as_str().unwrap().contains("read-only"), "{problem}");
    assert_eq!(refused.header("retry-after"), Some("2"));
}

/// Makes sessions that begin from now on take reads only, or writes again, and ends those that are open.
async fn set_read_only(database: &Database, read_only: bool) {
    let name = &database.name;
    on_server(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {read_only}")).await;
    on_server(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
}

async fn until_read_only(app: &TestApp) {
    app.until("told", || async { app.get("/ready").await.json()["checks"]["database"]["code"] == "read_only" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_reads_only_serves() {
    let guarded = Guarded::start(Kind::Postgres).await;
    let app = &guarded.app;
    let (_, key) = guarded.key(guarded.ann, &["links:read", "links:write", "stats:read"]).await;
    let link = json!({"user_id": guarded.ann, "original_url": "https://example.com/2"});
    let link = app.ask(ADMIN, Method::POST, "/urls", Some(&link)).await.expect(201);
    set_read_only(&app.database, true).await;
    until_read_only(app).await;
    // A fresh replica, whose cache is empty.
    let fresh = TestApp::launch(&app.database, &[("ADMIN_TOKEN", ADMIN), ("LIMITS", "off")]).await;
    until_read_only(&fresh).await;
    for app in [app, &fresh] {
        assert_eq!(app.get("/ready").await.expect(200)["status"], "degraded");
        assert_eq!(app.get(&path(&link)).await.status, 302);
        // A key that was never used before: nothing can be noted of it.
        app.ask(&key, Method::GET, &format!("/urls/{}", link["id"]), None).await.expect(200);
        app.ask(&key, Method::GET, &format!("/urls/{}/stats", link["id"]), None).await.expect(200);
        app.ask(&key, Method::GET, "/events", None).await.expect(200);
        assert_no_change(app, Some(ADMIN)).await;
    }
    set_read_only(&app.database, false).await;
    for app in [app, &fresh] {
        app.until_ready().await;
    }
    app.ask(ADMIN, Method::POST, "/users", Some(&user("carol"))).await.expect(201);
    let clicks = format!("/events?event_type=click&url_id={}", link["id"]);
    let stored = async || {
        let events = app.ask(ADMIN, Method::GET, &clicks, None).await;
        events.status == 200 && events.json().as_array().is_some_and(|events| events.len() == 2)
    };
    app.until("stored", stored).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_deleted_within_the_time_of_an_upload() {
    let app = TestApp::start_with(Kind::Postgres, &[("REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let ann = app.user("ann").await;
    app.url(ann, "https://example.com").await;
    // As long as this lock is held, the deletion waits, as it does for a million links.
    let mut other = PgConnection::connect(&app.database.url).await.unwrap();
    let mut lock = other.begin().await.unwrap();
    let sql = format!("SELECT id FROM urls WHERE user_id = {ann} FOR UPDATE");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *lock).await.unwrap();
    let begun = Instant::now();
    let path = format!("/users/{ann}");
    let delete = app.delete(&path);
    let release = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        lock.rollback().await.unwrap();
    };
    let (deleted, ()) = tokio::join!(delete, release);
    assert_eq!(deleted.status, 204, "{deleted:?}");
    assert!(begun.elapsed() > Duration::from_secs(1), "longer than other requests may take");
    app.get(&path).await.problem(404, "user_not_found");
}
