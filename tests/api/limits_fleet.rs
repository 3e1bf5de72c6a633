//! Rate limits of a fleet, two replicas on one PostgreSQL, and load that is shed.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::{
    access::{ADMIN, Guarded},
    app::{TestApp, send},
    common::{
        database::{Database, Kind},
        sums::number,
    },
    limits::{BEHIND_A_PROXY, get},
};

/// Two replicas that know of each other, behind a proxy, with these variables.
pub(crate) async fn replicas(database: &Arc<Database>, variables: &[(&str, &str)]) -> [TestApp; 2] {
    let variables = [&BEHIND_A_PROXY[..], variables].concat();
    let apps = [TestApp::start_on(database, &variables).await, TestApp::start_on(database, &variables).await];
    for app in &apps {
        app.until("two replicas", || async {
            let metrics = send(app.request(Method::GET, "/metrics").bearer_auth(ADMIN)).await;
            metrics.body.lines().any(|line| line == "buoy_peers 1")
        })
        .await;
    }
    apps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_keys_of_a_user_share_one_bucket_on_all_replicas() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let [one, other] = replicas(&database, &[("ADMIN_TOKEN", ADMIN), ("LIMIT_CREATIONS", "1/h+20")]).await;
    let guarded = Guarded::with(one).await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(guarded.key(guarded.ann, &["links:write"]).await.1);
    }
    let create = |nth: usize| {
        let (app, key) = ([&guarded.app, &other][nth % 2], &keys[nth % 3]);
        let body = json!({"user_id": guarded.ann, "original_url": "https://example.com"});
        async move { app.ask(key, Method::POST, "/urls", Some(&body)).await.status }
    };
    let statuses: Vec<u16> = stream::iter((0..60).map(create)).buffer_unordered(6).collect().await;
    let count = |status: u16| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(201), count(429)), (20, 40));
    assert_eq!(number(&database, "SELECT count(*) FROM rate_limits").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_gets_one_limit_from_two_replicas() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let apps = replicas(&database, &[("LIMIT_UNKNOWN_CODES", "1/h+12")]).await;
    let mut found = [0, 0];
    for nth in 0..40 {
        let answer = get(&apps[nth % 2], &format!("/no-{nth}"), "203.0.113.1").await;
        found[nth % 2] += usize::from(answer.status == 404);
    }
    assert_eq!(found, [6, 6], "each replica has half of the limit");
    assert_eq!(number(&database, "SELECT count(*) FROM rate_limits").await, 0, "no address is in the database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_work_than_there_is_room_for_is_shed_but_redirects_go_on() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let app = TestApp::start_on(&database, &[("MAX_CONCURRENT_REQUESTS", "1"), ("DATABASE_WAIT_MS", "2000")]).await;
    let code = app.url(app.user("ann").await, "https://example.com").await["short_code"].as_str().unwrap().to_owned();
    let path = format!("/{code}");
    // Until what was announced of the link has come back.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(app.get(&path).await.status, 302);
    let mut connection = PgConnection::connect(&database.url).await.expect("the server answers");
    sqlx::raw_sql("BEGIN; LOCK TABLE users, urls IN ACCESS EXCLUSIVE MODE")
        .execute(&mut connection)
        .await
        .expect("it runs");
    let ask = |index: usize| {
        let app = &app;
        let body = json!({"username": format!("u{index}"), "email": format!("u{index}@example.com")});
        async move { app.post("/users", &body).await }
    };
    let (answers, followed) = tokio::join!(join_all((0..6).map(ask)), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        app.get(&path).await
    });
    assert_eq!(followed.status, 302, "a link in memory waits for nothing");
    let shed: Vec<_> = answers.iter().filter(|answer| answer.json()["code"] == "overloaded").collect();
    assert!(shed.len() >= 4, "{answers:?}");
    for answer in shed {
        answer.problem(503, "overloaded");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    // Codes that memory does not know are bounded as well, without a queue.
    let paths: Vec<String> = (0..6).map(|index| format!("/unknown{index}")).collect();
    let (answers, followed) = tokio::join!(join_all(paths.iter().map(|path| app.get(path))), app.get(&path));
    assert_eq!(followed.status, 302);
    let shed = answers.iter().filter(|answer| answer.json()["code"] == "overloaded").count();
    assert!(shed >= 4 && answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    assert!(app.metric("buoy_shed_total").await >= 8.0);
    connection.close().await.ok();
    app.until("free again", || async { ask(9).await.status == 201 || app.get("/users").await.status == 200 }).await;
}
