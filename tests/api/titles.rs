//! Titles of targets, from servers of the test's own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::{Html, IntoResponse},
    routing::get,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

use crate::{
    app::TestApp,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(a_link_without_a_title_gets_that_of_its_target, a_title_given_meanwhile_stays);

const ON: [(&str, &str); 2] = [("FETCH_TITLES", "true"), ("ALLOW_PRIVATE_TARGETS", "true")];

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

fn redirect(to: &str) -> impl IntoResponse {
    (StatusCode::FOUND, [(header::LOCATION, to.to_owned())])
}

/// How many look-ups ended in this way.
async fn outcome(app: &TestApp, outcome: &str) -> u64 {
    let page = app.get("/metrics").await.body;
    let series = format!("buoy_titles_total{{outcome=\"{outcome}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

async fn a_link_without_a_title_gets_that_of_its_target(kind: Kind) {
    let app = TestApp::start_with(kind, &ON).await;
    let user = app.user("ann").await;
    let page = "<!doctype html><head><title>\n Fish &amp; chips – <b>daily</b>\t</title>";
    let routes = Router::new()
        .route("/page", get(move || async move { Html(page) }))
        .route("/old", get(|| async { redirect("/page?x#y") }));
    let site = serve(routes).await;
    for path in ["/page", "/old"] {
        let url = app.url(user, &format!("{site}{path}")).await;
        assert_eq!(url["title"], Value::Null, "the answer does not wait");
        let address = format!("/urls/{}", url["id"]);
        app.until("titled", || async { app.get(&address).await.expect(200)["title"] != Value::Null }).await;
        let titled = app.get(&address).await.expect(200);
        assert_eq!(titled["title"], "Fish & chips – <b>daily</b>");
        assert!(titled["updated_at"].as_str() > url["updated_at"].as_str());
        let events = app.events_of(&url["id"]).await;
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!((&events[1]["event_type"], &events[1]["user_id"]), (&json!("updated"), &json!(user)));
        assert_eq!(events[1]["details"], json!({"field": "title", "new_value": titled["title"]}));
    }
    assert_eq!(outcome(&app, "given").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_title_to_give_gives_none() {
    let variables = [ON[0], ON[1], ("BLOCKED_HOSTS", "127.0.0.2"), ("LOG_LEVEL", "info,buoy=debug")];
    let app = TestApp::start_with(Kind::Sqlite, &variables).await;
    let user = app.user("ann").await;
    let routes = Router::new()
        .route("/text", get(|| async { "<title>no page</title>" }))
        .route("/untitled", get(|| async { Html("<p>") }))
        .route("/missing", get(|| async { (StatusCode::NOT_FOUND, Html("<title>Not found</title>")) }))
        .route("/blocked", get(|| async { redirect("http://127.0.0.2/") }))
        .route("/round", get(|| async { redirect("/round") }));
    let site = serve(routes).await;
    for path in ["/text", "/untitled", "/missing", "/blocked", "/round"] {
        app.url(user, &format!("{site}{path}?token=hidden")).await;
    }
    app.until("looked up", || async { outcome(&app, "failed").await == 4 && outcome(&app, "without").await == 1 })
        .await;
    let urls = app.get("/urls").await.expect(200);
    assert!(urls.as_array().unwrap().iter().all(|url| url["title"] == Value::Null), "{urls}");
    let said = app.server.lines().join("\n");
    assert!(said.contains("could not look up the title") && !said.contains("hidden"), "{said}");
}

async fn a_title_given_meanwhile_stays(kind: Kind) {
    let app = TestApp::start_with(kind, &ON).await;
    let user = app.user("ann").await;
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (asked, go_on) = (Arc::clone(&asked), Arc::clone(&go_on));
        move || async move {
            asked.notify_one();
            go_on.notified().await;
            Html("<title>late</title>")
        }
    };
    let site = serve(Router::new().fallback(get(slow))).await;
    for (nth, change) in [json!({"title": "mine"}), json!({"original_url": "https://example.com/"})].iter().enumerate()
    {
        let url = app.url(user, &site).await;
        asked.notified().await;
        let address = format!("/urls/{}", url["id"]);
        let changed = app.put(&address, change).await.expect(200);
        go_on.notify_one();
        app.until("looked up", || async { outcome(&app, "without").await == nth as u64 + 1 }).await;
        assert_eq!(app.get(&address).await.expect(200), changed);
        assert_eq!(app.events_of(&url["id"]).await.len(), 2);
    }
    // A link deleted during the fetch is no fault.
    let url = app.url(user, &site).await;
    asked.notified().await;
    app.delete(&format!("/urls/{}", url["id"])).await;
    go_on.notify_one();
    app.until("looked up", || async { outcome(&app, "without").await == 3 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_fetched_unless_asked_for() {
    let visits = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&visits);
    let count = move || async move {
        counter.fetch_add(1, Ordering::SeqCst);
        Html("<title>x</title>")
    };
    let site = serve(Router::new().fallback(get(count))).await;
    let off = TestApp::start_with(Kind::Sqlite, &[ON[1]]).await;
    let user = off.user("ann").await;
    off.url(user, &site).await;
    let on = TestApp::start_on(&off.database, &ON).await;
    // Neither links with a title, nor refused ones, nor what is changed, nor a repeated request.
    on.post("/urls", &json!({"user_id": user, "original_url": site, "title": "given"})).await.expect(201);
    on.post("/urls", &json!({"user_id": 4711, "original_url": site})).await.problem(404, "user_not_found");
    on.put("/urls/1", &json!({"original_url": format!("{site}/other")})).await.expect(200);
    let body = json!({"user_id": user, "original_url": site});
    for _ in 0..3 {
        on.post_with_key("/urls", "once", &body).await.expect(201);
    }
    on.until("looked up", || async { outcome(&on, "given").await == 1 }).await;
    assert_eq!((visits.load(Ordering::SeqCst), outcome(&off, "given").await), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_is_bounded_and_leaving_does_not_wait_for_it() {
    let variables = [ON[0], ON[1], ("SHUTDOWN_DRAIN_SECONDS", "0"), ("SHUTDOWN_GRACE_SECONDS", "3")];
    let mut app = TestApp::start_with(Kind::Sqlite, &variables).await;
    let user = app.user("ann").await;
    let never = || async { std::future::pending::<&'static str>().await };
    let site = serve(Router::new().fallback(get(never))).await;
    let body = json!({"user_id": user, "original_url": site});
    // Four are asked, 256 wait; those that give up make room for as many.
    let begun = Instant::now();
    let mut created = 0;
    while outcome(&app, "dropped").await == 0 {
        let posts = (0..50).map(|_| app.request(Method::POST, "/urls").json(&body).send());
        let answers = futures_util::future::join_all(posts).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 201));
        created += 50;
        assert!(created <= 2_000 && begun.elapsed() < Duration::from_secs(60), "the queue has no bound");
    }
    assert!(created > 256, "{created}");
    app.server.signal("TERM");
    let ended = app.server.wait(Duration::from_secs(10));
    assert!(ended.success(), "{ended:?}");
}
