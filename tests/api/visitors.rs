//! What a click tells of who clicked, over real HTTP.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
        sums::{assert_clicks_add_up, number},
    },
};

on_both_databases!(a_click_tells_who_clicked, requests_that_refuse_tracking_are_counted_without_details);

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

/// The one number that a query over rollups answers, once pending rows are folded.
async fn folded_number(database: &Database, sql: &str) -> i64 {
    assert_clicks_add_up(database).await;
    number(database, sql).await
}

/// A link's path and id.
async fn link(app: &TestApp) -> (String, Value) {
    let url = app.url(app.user("ann").await, "https://example.com").await;
    (format!("/{}", url["short_code"].as_str().unwrap()), url["id"].clone())
}

async fn follow(app: &TestApp, path: &str, headers: &[(&str, &str)]) {
    let request =
        headers.iter().fold(app.request(Method::GET, path), |request, (name, value)| request.header(*name, *value));
    assert_eq!(send(request).await.status, 302);
}

/// The details of the link's clicks, in their order.
async fn details(app: &TestApp, id: &Value) -> Vec<Value> {
    app.until("stored", || async { app.metric("buoy_clicks_queued").await == 0.0 }).await;
    let events = app.events_of(id).await;
    events.into_iter().filter(|event| event["event_type"] == "click").map(|event| event["details"].clone()).collect()
}

async fn a_click_tells_who_clicked(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (path, id) = link(&app).await;
    let headers = [
        ("user-agent", FIREFOX),
        ("referer", "https://News.Example.com/story?id=1"),
        ("accept-language", "de-CH,de;q=0.8,en;q=0.5"),
    ];
    follow(&app, &path, &headers).await;
    let told = json!({
        "referrer": "news.example.com", "browser": "Firefox", "os": "Linux", "device": "pc", "language": "de",
        "address": "127.0.0.0/24",
    });
    assert_eq!(details(&app, &id).await, [told]);
    let stats = app.get(&format!("/events?url_id={id}")).await.body;
    assert!(!stats.contains("127.0.0.1"), "{stats}");
    // The same visitor again, then another one.
    follow(&app, &path, &headers).await;
    follow(&app, &path, &[("user-agent", "Opera/9.80 (X11; Linux x86_64) Presto/2.12.388 Version/12.16")]).await;
    app.clicks(&id).await;
    let uniques = "SELECT uniques FROM click_days WHERE subject = 0";
    assert_eq!(folded_number(&app.database, uniques).await, 2);
}

async fn requests_that_refuse_tracking_are_counted_without_details(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (path, id) = link(&app).await;
    follow(&app, &path, &[("user-agent", FIREFOX), ("dnt", "1"), ("referer", "https://example.org")]).await;
    follow(&app, &path, &[("user-agent", "Googlebot/2.1 (+http://www.google.com/bot.html)"), ("sec-gpc", "1")]).await;
    assert_eq!(details(&app, &id).await, [json!({}), json!({"bot": true})]);
    assert_eq!(
        folded_number(&app.database, "SELECT people * 10 + bots + uniques * 100 FROM click_days WHERE subject = 0")
            .await,
        11
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_are_flagged() {
    let app = TestApp::start_with(Kind::Sqlite, &[("VISITOR_ADDRESS", "none")]).await;
    let (path, id) = link(&app).await;
    follow(&app, &path, &[("user-agent", "curl/8.5.0")]).await;
    follow(&app, &path, &[("user-agent", FIREFOX)]).await;
    let told = details(&app, &id).await;
    assert_eq!((told[0]["bot"].clone(), told[1]["bot"].clone()), (json!(true), Value::Null));
    assert!(told.iter().all(|details| details.get("address").is_none()), "{told:?}");
    // Programs are in the sum of all, and in no dimension.
    assert_eq!(folded_number(&app.database, "SELECT clicks * 10 + bots FROM click_totals").await, 21);
    let browsers = "SELECT CAST(sum(clicks) AS BIGINT) FROM click_values WHERE subject = 0 AND dimension = 3";
    assert_eq!(folded_number(&app.database, browsers).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_fetched_ahead_is_not_counted() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (path, id) = link(&app).await;
    for header in [("sec-purpose", "prefetch;prerender"), ("purpose", "preview"), ("x-moz", "prefetch")] {
        follow(&app, &path, &[header]).await;
        follow(&app, &format!("/urls{path}/redirect"), &[header]).await;
    }
    assert_eq!(app.head(&path).await.status, 302);
    assert_eq!(app.clicks(&id).await, 0);
    follow(&app, &path, &[("sec-purpose", "navigate")]).await;
    assert_eq!(app.clicks(&id).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_trusted_proxies_say_whose_address_it_is() {
    let networks = async |variables: &[(&str, &str)]| -> Vec<Value> {
        let app = TestApp::start_with(Kind::Sqlite, variables).await;
        let (path, id) = link(&app).await;
        follow(&app, &path, &[("x-forwarded-for", "198.51.100.7"), ("do-connecting-ip", "2001:db8:1:2::3")]).await;
        details(&app, &id).await.iter().map(|details| details["address"].clone()).collect()
    };
    assert_eq!(networks(&[]).await, [json!("127.0.0.0/24")]);
    let trusting = |header, proxies| [("TRUSTED_PROXY_HEADER", header), ("TRUSTED_PROXIES", proxies)];
    assert_eq!(networks(&trusting("x-forwarded-for", "127.0.0.1")).await, [json!("198.51.100.0/24")]);
    assert_eq!(networks(&trusting("do-connecting-ip", "any")).await, [json!("2001:db8:1::/48")]);
    assert_eq!(networks(&trusting("x-forwarded-for", "10.0.0.0/8")).await, [json!("127.0.0.0/24")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_agree_on_who_a_visitor_is() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let (one, other) = (TestApp::start_on(&database, &[]).await, TestApp::start_on(&database, &[]).await);
    let (path, id) = link(&one).await;
    for app in [&one, &other, &one] {
        follow(app, &path, &[("user-agent", FIREFOX)]).await;
        app.clicks(&id).await;
    }
    assert_eq!(folded_number(&database, "SELECT people * 10 + uniques FROM click_days WHERE subject = 0").await, 31);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn countries_come_from_the_file_that_is_named() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/geoip/countries.mmdb");
    let trusting = [("TRUSTED_PROXY_HEADER", "x-real-ip"), ("TRUSTED_PROXIES", "127.0.0.1"), ("GEOIP_DB", file)];
    let app = TestApp::start_with(Kind::Sqlite, &trusting).await;
    let (path, id) = link(&app).await;
    for address in ["203.0.113.9", "2001:db8:1::7", "192.0.2.1"] {
        follow(&app, &path, &[("x-real-ip", address)]).await;
    }
    let countries: Vec<Value> = details(&app, &id).await.iter().map(|details| details["country"].clone()).collect();
    assert_eq!(countries, [json!("DE"), json!("NP"), Value::Null]);
}
