//! Lists and counts: what one client's cost the others, and their bounds.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::{
    access::{ADMIN, Guarded},
    app::TestApp,
    common::{
        database::{Database, Kind},
        on_both_databases,
        sums::number,
    },
};

on_both_databases!(redirects_and_changes_go_on_beside_hostile_lists, counts_and_pages_stop_and_say_so);

/// Links that no cache knows yet.
const LINKS: usize = 40;
/// Lists of events that wait for a lock.
const HANGING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock' AND query LIKE 'SELECT id, url_id%'";

/// A service with the waits of production, links of Ann's with the codes `c1` to `c40`, and a key of each of eight
/// users, who have a link with many events.
async fn besieged(database: &Arc<Database>, events: usize) -> (Guarded, Vec<String>) {
    let variables = [("ADMIN_TOKEN", ADMIN), ("DATABASE_WAIT_MS", "800")];
    let guarded = Guarded::with(TestApp::start_on(database, &variables).await).await;
    let series = |upto: usize| {
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {upto}) INSERT INTO ")
    };
    let links = series(LINKS)
        + &format!(
            "urls (user_id, short_code, original_url, is_active, created_at, updated_at) SELECT {}, 'c' || i, \
             'https://example.com', TRUE, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00' FROM n",
            guarded.ann
        );
    database.execute(&links).await;
    let mut keys = Vec::new();
    for nth in 0..8 {
        let name = format!("u{nth}");
        let user = json!({"username": name, "email": format!("{name}@example.com")});
        let user = guarded.app.ask(ADMIN, Method::POST, "/users", Some(&user)).await.expect(201)["id"].clone();
        let link = json!({"user_id": user, "original_url": "https://example.com"});
        let link = guarded.app.ask(ADMIN, Method::POST, "/urls", Some(&link)).await.expect(201)["id"].clone();
        let events = series(events)
            + &format!(
                "events (url_id, event_type, timestamp, details) \
                 SELECT {link}, 'click', '2026-01-01T00:00:00+00:00', '{{}}' FROM n"
            );
        database.execute(&events).await;
        keys.push(guarded.key(user.as_i64().unwrap(), &["links:read"]).await.1);
    }
    (guarded, keys)
}

/// Follows every link and makes as many changes; the statuses of both.
async fn others(guarded: &Guarded) -> (Vec<u16>, Vec<u16>) {
    let (mut followed, mut changed) = (Vec::new(), Vec::new());
    for nth in 1..=LINKS {
        followed.push(guarded.app.get(&format!("/c{nth}")).await.status);
        let name = format!("n{nth}");
        let user = json!({"username": name, "email": format!("{name}@example.com")});
        changed.push(guarded.app.ask(ADMIN, Method::POST, "/users", Some(&user)).await.status);
    }
    (followed, changed)
}

async fn redirects_and_changes_go_on_beside_hostile_lists(kind: Kind) {
    let database = Arc::new(Database::fresh(kind).await);
    let (guarded, keys) = besieged(&database, 10_000).await;
    let (ended, complete) = (AtomicBool::new(false), AtomicU32::new(0));
    let hostile = keys.iter().map(|key| async {
        while !ended.load(Ordering::Relaxed) {
            let answer = guarded.app.ask(key, Method::GET, "/events?count=true", None).await;
            complete.fetch_add(u32::from(answer.status == 200), Ordering::Relaxed);
        }
    });
    let peaceful = async {
        let statuses = others(&guarded).await;
        ended.store(true, Ordering::Relaxed);
        statuses
    };
    let (_, (followed, changed)) = join(join_all(hostile), peaceful).await;
    assert_eq!(followed, vec![302; LINKS]);
    assert_eq!(changed, vec![201; LINKS]);
    assert!(complete.into_inner() > 0, "the lists were real");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_hang_end_and_take_no_connection_of_others() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let (guarded, keys) = besieged(&database, 1).await;
    let mut connection = PgConnection::connect(&database.url).await.expect("the server answers");
    sqlx::raw_sql("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE").execute(&mut connection).await.expect("it runs");
    let list = |key: &str| {
        let (guarded, key) = (&guarded, key.to_owned());
        async move { guarded.app.ask(&key, Method::GET, "/events?per_page=1", None).await }
    };
    let first = async {
        let hanging = list(&keys[0]).await;
        hanging.problem(503, "request_timeout");
    };
    let hangs = || guarded.app.until("a list that hangs", || async { number(&database, HANGING).await > 0 });
    let second = async {
        hangs().await;
        let refused = list(&keys[0]).await;
        refused.problem(429, "request_in_progress");
        assert_eq!(refused.header("retry-after"), Some("1"));
    };
    let rest = async {
        hangs().await;
        join_all(keys[1..].iter().map(|key| list(key))).await
    };
    let ((), (), rest, (followed, changed)) = tokio::join!(first, second, rest, others(&guarded));
    assert_eq!(followed, vec![302; LINKS]);
    assert_eq!(changed, vec![201; LINKS]);
    assert!(rest.iter().all(|answer| answer.status == 503), "{rest:?}");
    connection.close().await.ok();
    guarded.app.until("lists again", || async { list(&keys[0]).await.status == 200 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_hang_leave_connections_to_others() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let (guarded, keys) = besieged(&database, 1).await;
    let mut connection = PgConnection::connect(&database.url).await.expect("the server answers");
    sqlx::raw_sql("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE").execute(&mut connection).await.expect("it runs");
    let hanging = join_all(keys.iter().map(|key| guarded.app.ask(key, Method::GET, "/events/1", None)));
    let peaceful = async {
        guarded.app.until("a read that hangs", || async { number(&database, HANGING).await > 0 }).await;
        let statuses = others(&guarded).await;
        assert!(number(&database, HANGING).await > 0, "reads hang all the while");
        connection.close().await.ok();
        statuses
    };
    let (_, (followed, changed)) = join(hanging, peaceful).await;
    assert_eq!(followed, vec![302; LINKS]);
    assert_eq!(changed, vec![201; LINKS]);
}

async fn counts_and_pages_stop_and_say_so(kind: Kind) {
    let app = TestApp::start(kind).await;
    let events = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100050) \
                  INSERT INTO events (url_id, event_type, timestamp, details) \
                  SELECT 1, 'click', '2026-01-01T00:00:00+00:00', '{}' FROM n";
    app.database.execute(events).await;
    let capped = app.get("/events?per_page=1&count=true").await;
    capped.expect(200);
    assert_eq!((capped.header("x-total-count"), capped.header("x-total-count-capped")), (Some("100000"), Some("true")));
    let exact = app.get("/events?event_type=created&per_page=1&count=true").await;
    assert_eq!((exact.header("x-total-count"), exact.header("x-total-count-capped")), (Some("0"), None));
    let deepest = app.get("/events?page=100001&per_page=1").await.expect(200);
    assert_eq!(deepest.as_array().map(Vec::len), Some(1));
    assert_eq!(app.get("/events?page=1000000000").await.refused_fields(), ["page"]);
    assert_eq!(app.get("/users?page=1000000000").await.expect(200), Value::Array(Vec::new()), "past a short list");
}
