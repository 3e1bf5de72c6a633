//! Statistics and the history of a link.

use serde_json::json;

use super::browser::Browser;
use crate::{
    access::{ADMIN, Guarded},
    app::TestApp,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(a_link_shows_its_clicks_and_its_history, statistics_of_all_are_those_of_the_caller);

async fn a_link_shows_its_clicks_and_its_history(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, browser) = (&guarded.app, Browser::signed_in(&guarded.app, ADMIN).await);
    let click = |referrer: &str, bot: bool| {
        let details = if bot { json!({"bot": true}) } else { json!({"referrer": referrer, "browser": "Firefox"}) };
        json!({"event_type": "click", "url_id": 1, "details": details})
    };
    for click in [click("news.example", false), click("<b>evil</b>", false), click("", true)] {
        app.ask(ADMIN, reqwest::Method::POST, "/events", Some(&click)).await.expect(201);
    }
    let change = json!({"title": "Spring"});
    app.ask(ADMIN, reqwest::Method::PATCH, "/urls/1", Some(&change)).await.expect(200);

    let page = browser.get("/console/links/1?range=7d").await;
    assert_eq!(page.status, 200, "{page:?}");
    let figures: Vec<&str> =
        page.body.split("class=\"value\">").skip(1).filter_map(|it| it.split('<').next()).collect();
    assert_eq!(&figures[..4], ["2", "0", "1", "3"], "people, visitors, programs, all");
    assert_eq!(page.body.matches("data-at=").count(), 7, "a row for each day");
    assert!(page.body.contains("news.example") && page.body.contains("Firefox") && !page.body.contains("<b>evil"));
    let history = page.body.split("class=\"card history\"").nth(1).unwrap();
    let (changed, created) = (history.find("Spring").unwrap(), history.find("https://example.com/ann").unwrap());
    assert!(changed < created && history.contains("the administrator"), "newest first, with who: {history}");

    for (query, status) in [
        ("from=2026-01-01&to=2026-01-31&unit=week&tz=Europe/Berlin", 200),
        ("range=12m", 200),
        ("range=today&unit=hour", 200),
        ("from=2026-01-01&to=2026-01-31&tz=Mars/Olympus", 422),
        ("from=tomorrow&to=never", 422),
    ] {
        let page = browser.get(&format!("/console/links/1?{query}")).await;
        assert_eq!(page.status, status, "{query}: {}", page.body);
    }
    assert_eq!(browser.get("/console/links/99").await.status, 404);
}

async fn statistics_of_all_are_those_of_the_caller(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let body = json!({"event_type": "click", "url_id": 1});
    guarded.app.ask(ADMIN, reqwest::Method::POST, "/events", Some(&body)).await.expect(201);
    let (_, key) = guarded.key(guarded.bob, &["links:read", "stats:read"]).await;
    let (_, blind) = guarded.key(guarded.ann, &["links:read"]).await;
    let shows = async |token: &str| {
        let page = Browser::signed_in(&guarded.app, token).await.get("/console/statistics").await;
        (page.status, page.body.contains("No clicks in this range"))
    };
    assert_eq!((shows(ADMIN).await, shows(&key).await), ((200, false), (200, true)));
    assert_eq!(shows(&blind).await.0, 403);
    let links = Browser::signed_in(&guarded.app, &blind).await.get("/console/links/1").await;
    assert!(links.status == 200 && !links.body.contains("id=\"figures\""), "what a key may not see is not offered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_console_shows_all() {
    let app = TestApp::start(Kind::Sqlite).await;
    let page = Browser::new(&app).get("/console/statistics").await;
    assert!(page.status == 200 && page.body.contains("No clicks in this range"), "{page:?}");
}
