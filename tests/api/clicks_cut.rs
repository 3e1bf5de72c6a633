//! The ledger of clicks while the database is away, or breaks off at the worst moment.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    app::TestApp,
    clicks::{STORED, Visitors, links},
    common::{
        database::{Database, Kind},
        sums::{assert_clicks_add_up, number},
    },
    forwarder::Forwarder,
};

/// A service whose way to the database the test can cut, and its links.
async fn behind_forwarder(variables: &[(&str, &str)]) -> (Forwarder, TestApp, Vec<String>) {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let forwarder = Forwarder::opened(&database.url);
    let mut variables = variables.to_vec();
    variables.push(("DATABASE_URL", &forwarder.url));
    let app = TestApp::launch(&database, &variables).await;
    app.until_ready().await;
    let paths = links(&app, 5).await;
    for path in &paths {
        assert_eq!(app.get(path).await.status, 302);
    }
    (forwarder, app, paths)
}

/// Waits until nothing is queued, and fails unless every click taken is stored or declared lost. Answers how many
/// were taken, and how many are declared lost.
async fn settle(app: &TestApp) -> (i64, i64) {
    app.until_ready().await;
    app.until("settled", || async { app.metric("buoy_clicks_queued").await == 0.0 }).await;
    let accepted = app.metric("buoy_clicks_accepted_total").await as i64;
    let lost = app.metric("buoy_clicks_lost_total").await as i64;
    assert_eq!(app.metric("buoy_clicks_stored_total").await as i64, accepted - lost);
    assert_eq!(number(&app.database, STORED).await, accepted - lost);
    assert_clicks_add_up(&app.database).await;
    (accepted, lost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_not_answered_is_neither_lost_nor_doubled() {
    let (forwarder, app, paths) = behind_forwarder(&[("CLICK_FLUSH_MS", "20")]).await;
    let visitors = Visitors::start(&app, &paths, 4);
    for _ in 0..3 {
        forwarder.cut_after_commits(2);
        app.until("cut", || async { forwarder.cuts_left() == 0 }).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let answered = visitors.end().await.len() + paths.len();
    let (accepted, lost) = settle(&app).await;
    assert_eq!((accepted, lost), (i64::try_from(answered).unwrap(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clicks_under_load_in_an_outage_are_all_stored_afterwards() {
    let (mut forwarder, app, paths) = behind_forwarder(&[]).await;
    let visitors = Visitors::start(&app, &paths, 4);
    forwarder.close().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    forwarder.open();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let answered = visitors.end().await.len() + paths.len();
    let (accepted, lost) = settle(&app).await;
    assert_eq!((accepted, lost), (i64::try_from(answered).unwrap(), 0));
    assert!(accepted > 100, "{accepted} redirects only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_queue_cannot_hold_is_declared_lost_to_the_click() {
    let (mut forwarder, app, paths) = behind_forwarder(&[("CLICK_QUEUE_MB", "1")]).await;
    forwarder.close().await;
    let visitors = Visitors::start(&app, &paths, 16);
    app.until("full", || async { app.metric("buoy_clicks_lost_total").await > 200.0 }).await;
    let answered = visitors.end().await.len() + paths.len();
    forwarder.open();
    let (accepted, lost) = settle(&app).await;
    assert_eq!(accepted, i64::try_from(answered).unwrap());
    let page = app.get("/metrics").await.body;
    assert!(page.contains(&format!("buoy_clicks_lost_total{{reason=\"queue_full\"}} {lost}\n")), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_clicks_do_not_hold_visitors_up_in_an_outage() {
    let variables = [("CLICK_DURABILITY", "committed:400")];
    let (mut forwarder, app, paths) = behind_forwarder(&variables).await;
    assert_eq!(app.metric("buoy_clicks_degraded_total").await, 0.0);
    // Answered means stored, with no waiting for a flush.
    assert_eq!(number(&app.database, STORED).await, 5);
    // Silence first, which it takes a while to notice, then an outage that is known.
    forwarder.fall_silent().await;
    let begun = Instant::now();
    assert_eq!(app.get(&paths[0]).await.status, 302);
    let took = begun.elapsed();
    assert!((Duration::from_millis(350)..Duration::from_secs(2)).contains(&took), "{took:?}");
    app.until("degraded", || async { app.get("/ready").await.json()["status"] == "degraded" }).await;
    let begun = Instant::now();
    assert_eq!(app.get(&paths[0]).await.status, 302);
    assert!(begun.elapsed() < Duration::from_millis(350), "{:?}", begun.elapsed());
    assert_eq!(app.metric("buoy_clicks_degraded_total").await, 2.0);
    forwarder.close().await;
    forwarder.speak();
    forwarder.open();
    assert_eq!(settle(&app).await, (7, 0));
}
