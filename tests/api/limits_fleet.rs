//! Budgets of a fleet: three replicas on one PostgreSQL, a database that goes away, and load that is shed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::{
    app::TestApp,
    common::{
        database::{Database, Kind},
        sums::number,
    },
    forwarder::Forwarder,
    limits::{BEHIND_A_PROXY, create, get},
};

const RATE_A_SECOND: f64 = 10.0;
const BURST: f64 = 30.0;
const BUDGETS: [(&str, &str); 4] = [
    ("LIMIT_CREATIONS", "600"),
    ("LIMIT_CREATIONS_BURST", "30"),
    ("LIMIT_UNKNOWN_CODES", "600"),
    ("LIMIT_UNKNOWN_CODES_BURST", "30"),
];

async fn replica(database: &Arc<Database>, more: &[(&str, &str)]) -> TestApp {
    TestApp::start_on(database, &[&BEHIND_A_PROXY[..], &BUDGETS, more].concat()).await
}

/// Asks without a pause for so long, the replicas in turn; how many answers were no refusals, and how long it took.
async fn flood(
    apps: &[&TestApp],
    seconds: u64,
    admitted: u16,
    ask: impl AsyncFn(&TestApp, usize) -> u16,
) -> (f64, f64) {
    let (begun, mut count, mut index) = (Instant::now(), 0.0, 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        match ask(apps[index % apps.len()], index).await {
            429 => tokio::time::sleep(Duration::from_millis(5)).await,
            status if status == admitted => count += 1.0,
            status => panic!("{status}"),
        }
        index += 1;
    }
    (count, begun.elapsed().as_secs_f64())
}

fn assert_within((admitted, seconds): (f64, f64), at_least: f64, what: &str) {
    let most = 1.1 * RATE_A_SECOND * seconds + BURST;
    assert!(admitted <= most, "{what}: {admitted} in {seconds} s, {most} at most");
    let least = at_least * RATE_A_SECOND * seconds;
    assert!(admitted >= least, "{what}: {admitted} in {seconds} s, {least} at least");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_and_a_scan_get_one_budget_from_three_replicas() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let apps = join_all((0..3).map(|_| replica(&database, &[]))).await;
    let apps: Vec<&TestApp> = apps.iter().collect();
    apps[0].until("three replicas", || async { apps[0].metric("buoy_peers").await == 2.0 }).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let creating = flood(&apps, 20, 201, async |app, _| create(app, "203.0.113.1").await.status);
    let scanning =
        flood(&apps, 20, 404, async |app, index| get(app, &format!("/no-{index}"), "203.0.113.2").await.status);
    let (created, scanned) = tokio::join!(creating, scanning);
    assert_within(created, 0.5, "flood");
    assert_within(scanned, 0.5, "scan");
    // In aggregate: a row for each client and policy, and nobody can be told from it.
    let rows = number(&database, "SELECT count(*) FROM limit_pots").await;
    assert!((1..=2).contains(&rows), "{rows}");
    assert_eq!(number(&database, "SELECT count(*) FROM limit_pots WHERE subject !~ '^[0-9a-f]{32}$'").await, 0);
    // One that stays with one replica is not limited to a third.
    let stayed = flood(&apps[..1], 8, 201, async |app, _| create(app, "203.0.113.3").await.status).await;
    assert_within(stayed, 0.8, "one replica");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_a_replica_keeps_its_share() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let mut way = Forwarder::opened(&database.url);
    let url = way.url.clone();
    let app = replica(&database, &[("DATABASE_URL", &url)]).await;
    app.until("an exchange", || async {
        get(&app, "/nothing", "203.0.113.1").await;
        number(&database, "SELECT count(*) FROM limit_pots").await > 0
    })
    .await;
    way.close().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    // Memory still knows that there is no such code; the budget is the replica's own now.
    let away = flood(&[&app], 6, 404, async |app, _| get(app, "/nothing", "203.0.113.1").await.status).await;
    assert_within(away, 0.5, "away");
    assert!(app.metric("buoy_limited_total").await > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_work_than_there_is_room_for_is_sent_away_but_redirects_go_on() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let app = TestApp::start_on(&database, &[("MAX_CONCURRENT_REQUESTS", "1")]).await;
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
