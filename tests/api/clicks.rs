//! The ledger of clicks: what was answered, what is stored and what is declared lost add up, however the process ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinHandle;

use crate::{
    app::{TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
        sums::{assert_clicks_add_up, number},
    },
};

on_both_databases!(
    sigterm_under_load_loses_nothing,
    kill_9_loses_one_window_of_buffered_clicks,
    many_clicks_wait_longer_for_each_other,
    kill_9_loses_no_committed_click,
    a_click_that_cannot_be_stored_holds_up_no_other,
);

const SOON: Duration = Duration::from_secs(15);
pub(crate) const STORED: &str = "SELECT count(*) FROM events WHERE event_type = 'click'";

/// While clicks cannot be stored, one address fills its share of the queue and no more: those of others are all kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clicks_of_one_address_push_out_no_others() {
    const OTHERS: usize = 200;
    let variables =
        [("CLICK_QUEUE_MB", "1"), ("TRUSTED_PROXY_HEADER", "x-forwarded-for"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let app = TestApp::start_on(&database, &variables).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    let path = format!("/{}", url["short_code"].as_str().unwrap());
    assert_eq!(app.get(&path).await.status, 302);
    app.until("one click stored", || async { number(&database, STORED).await == 1 }).await;
    let mut connection = PgConnection::connect(&database.url).await.expect("the server answers");
    sqlx::raw_sql("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE").execute(&mut connection).await.expect("it runs");
    let click = async |address: String| {
        let request = app.request(Method::GET, &path).header("x-forwarded-for", address);
        assert_eq!(send(request).await.status, 302);
    };
    let lost = || app.metric("buoy_clicks_lost_total");
    // The queue holds some thousand clicks.
    for _ in 0..1_000 {
        join_all((0..32).map(|_| click("203.0.113.1".to_owned()))).await;
        if lost().await > 0.0 {
            break;
        }
    }
    let of_flood = lost().await;
    assert!(of_flood > 0.0, "the flood has filled its share");
    for nth in 0..OTHERS {
        click(format!("198.51.{}.{}", nth / 100, nth % 100 + 1)).await;
    }
    // Addresses are told apart by slots: a few of the others may share the flood's.
    let of_others = lost().await - of_flood;
    assert!(of_others <= 2.0, "{of_others} of {OTHERS} clicks of others were lost");
    click("203.0.113.1".to_owned()).await;
    assert!(lost().await > of_flood + of_others, "the flood goes on to be refused");
    connection.close().await.ok();
    let accepted = app.metric("buoy_clicks_accepted_total").await - lost().await;
    app.until("all stored", || async { number(&database, STORED).await as f64 >= accepted }).await;
}

/// Visitors who follow links as fast as they are answered.
pub(crate) struct Visitors {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Instant>>>,
}

impl Visitors {
    /// Until they are told to stop, or the service no longer answers.
    pub(crate) fn start(app: &TestApp, paths: &[String], count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..count).map(|visitor| {
            let (client, stop) = (app.client.clone(), Arc::clone(&stop));
            let urls: Vec<String> = paths.iter().map(|path| format!("{}{path}", app.base)).collect();
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for nth in visitor.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    match client.get(&urls[nth % urls.len()]).send().await {
                        Ok(answer) if answer.status() == 302 => answered.push(Instant::now()),
                        // If a busy machine delays the service's own queries, it may say 503 for a moment.
                        Ok(_) => {}
                        Err(_) => break,
                    }
                    // As much as a machine can store that other tests keep busy.
                    tokio::time::sleep(Duration::from_millis(4)).await;
                }
                answered
            })
        });
        Self { tasks: tasks.collect(), stop }
    }

    /// When each redirect was answered.
    pub(crate) async fn end(self) -> Vec<Instant> {
        self.stop.store(true, Ordering::SeqCst);
        let mut answered = Vec::new();
        for task in self.tasks {
            answered.extend(task.await.unwrap());
        }
        answered
    }
}

/// Creates links of one user; answers their paths.
pub(crate) async fn links(app: &TestApp, count: usize) -> Vec<String> {
    let user = app.user("ann").await;
    let mut paths = Vec::new();
    for nth in 0..count {
        let url = app.url(user, &format!("https://example.com/{nth}")).await;
        paths.push(format!("/{}", url["short_code"].as_str().unwrap()));
    }
    paths
}

async fn stored(app: &TestApp) -> usize {
    usize::try_from(number(&app.database, STORED).await).unwrap()
}

async fn sigterm_under_load_loses_nothing(kind: Kind) {
    let mut app = TestApp::start_with(kind, &[("SHUTDOWN_DRAIN_SECONDS", "1")]).await;
    let visitors = Visitors::start(&app, &links(&app, 5).await, 8);
    tokio::time::sleep(Duration::from_millis(500)).await;
    app.server.signal("TERM");
    assert_eq!(app.server.wait(SOON).code(), Some(0));
    let answered = visitors.end().await.len();
    assert!(answered > 50, "{answered} redirects only");
    assert_eq!(stored(&app).await, answered);
    assert_clicks_add_up(&app.database).await;
}

/// How many redirects were answered in all and how many before `window` ahead of the kill; the clicks that are stored.
async fn kill_under_load(kind: Kind, variables: &[(&str, &str)], window: Duration) -> (usize, usize, usize) {
    let mut app = TestApp::start_with(kind, variables).await;
    let visitors = Visitors::start(&app, &links(&app, 5).await, 8);
    tokio::time::sleep(window).await;
    app.until("followed", || async { app.metric("buoy_clicks_accepted_total").await > 100.0 }).await;
    tokio::time::sleep(window).await;
    let killed = Instant::now();
    app.server.kill();
    let answered = visitors.end().await;
    // Pending rows of large batches are folded by the next reader.
    let _next = TestApp::start_on(&app.database, &[]).await;
    assert_clicks_add_up(&app.database).await;
    let before = answered.iter().filter(|at| **at + window < killed).count();
    assert!(before > 50, "{before} redirects only");
    (answered.len(), before, stored(&app).await)
}

async fn kill_9_loses_one_window_of_buffered_clicks(kind: Kind) {
    // The window of a busy replica, and time for one transaction on a machine that is busy with other tests.
    let window = Duration::from_millis(200 + 3_000);
    let (answered, before, stored) = kill_under_load(kind, &[("CLICK_FLUSH_MS", "20")], window).await;
    assert!((before..=answered + 8).contains(&stored), "{before} <= {stored} <= {answered}");
}

/// A busy window is made longer; a client that asks for the clicks gets them all the same.
async fn many_clicks_wait_longer_for_each_other(kind: Kind) {
    let app = TestApp::start_with(kind, &[("CLICK_FLUSH_MS", "2000")]).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    let path = format!("/{}", url["short_code"].as_str().unwrap());
    let follow = async |clicks: usize| {
        let answers = join_all((0..clicks).map(|_| app.get(&path))).await;
        assert!(answers.iter().all(|answer| answer.status == 302));
    };
    follow(50).await;
    app.until("stored", || async { app.metric("buoy_clicks_queued").await == 0.0 }).await;
    follow(150).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(app.metric("buoy_clicks_queued").await > 100.0);
    assert_eq!(app.clicks(&url["id"]).await, 200);
}

async fn kill_9_loses_no_committed_click(kind: Kind) {
    let variables = [("CLICK_DURABILITY", "committed:10000")];
    let (answered, _, stored) = kill_under_load(kind, &variables, Duration::from_millis(300)).await;
    assert!((answered..=answered + 8).contains(&stored), "{answered} <= {stored}");
}

/// What makes the database refuse the clicks of one link.
fn refusal(kind: Kind, url: &str) -> String {
    match kind {
        Kind::Sqlite => format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.url_id = {url} AND NEW.event_type = 'click' \
             BEGIN SELECT RAISE(ABORT, 'no'); END"
        ),
        Kind::Postgres => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW \
             WHEN (NEW.url_id = {url} AND NEW.event_type = 'click') EXECUTE FUNCTION refuse()"
        ),
    }
}

async fn a_click_that_cannot_be_stored_holds_up_no_other(kind: Kind) {
    let app = TestApp::start_with(kind, &[("CLICK_FLUSH_MS", "300")]).await;
    let user = app.user("ann").await;
    let (good, bad) = (app.url(user, "https://example.com/a").await, app.url(user, "https://example.com/b").await);
    app.database.execute(&refusal(kind, &bad["id"].to_string())).await;
    let path = |url: &serde_json::Value| format!("/{}", url["short_code"].as_str().unwrap());
    let paths = [path(&good), path(&bad)];
    let follow = (0..240).map(|nth| app.get(&paths[usize::from(nth % 80 == 5)]));
    assert!(join_all(follow).await.iter().all(|answer| answer.status == 302));
    app.until("settled", || async { app.metric("buoy_clicks_queued").await == 0.0 }).await;
    assert_eq!((app.clicks(&good["id"]).await, app.clicks(&bad["id"]).await), (237, 0));
    let page = app.get("/metrics").await.body;
    assert!(page.contains("buoy_clicks_lost_total{reason=\"refused\"} 3\n"), "{page}");
    assert_clicks_add_up(&app.database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_clicks_over_three_replicas_are_exact() {
    const VISITORS: usize = 20;
    const EACH: usize = 300;
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(TestApp::start_on(&database, &[("CLICK_FLUSH_MS", "50")]).await);
    }
    let paths = links(&replicas[0], 20).await;
    // Each visitor follows every link in turn, on its own replica.
    let visits = (0..VISITORS).map(|visitor| {
        let (app, paths) = (&replicas[visitor % 3], &paths);
        async move {
            for nth in 0..EACH {
                // While other tests keep the machine busy, a replica may take its database for lost and say 503.
                while app.get(&paths[(visitor + nth) % paths.len()]).await.status != 302 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    join_all(visits).await;
    let mut accepted = 0.0;
    for app in &replicas {
        app.until("stored", || async { app.metric("buoy_clicks_queued").await == 0.0 }).await;
        assert_eq!(app.metric("buoy_clicks_lost_total").await, 0.0);
        assert_eq!(app.metric("buoy_clicks_stored_total").await, app.metric("buoy_clicks_accepted_total").await);
        accepted += app.metric("buoy_clicks_accepted_total").await;
    }
    assert_eq!(accepted, (VISITORS * EACH) as f64);
    assert_clicks_add_up(&database).await;
    let exact = format!("SELECT count(*) FROM click_totals WHERE clicks = {EACH}");
    assert_eq!((number(&database, STORED).await, number(&database, &exact).await), ((VISITORS * EACH) as i64, 20));
}
