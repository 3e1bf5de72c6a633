//! Pages for visitors: where a browser sees a page, a program sees what the API says.

use reqwest::Method;
use serde_json::json;

use super::browser::Browser;
use crate::{
    app::{TestApp, send},
    common::database::Kind,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_see_pages_and_programs_see_problems() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (browser, user) = (Browser::new(&app), app.user("ann").await);
    app.url(user, "https://example.com").await;
    app.put("/urls/1", &json!({"disabled_reason": "legal: order 7"})).await.expect(200);
    let code = app.get("/urls/1").await.expect(200)["short_code"].as_str().unwrap().to_owned();
    let legal = format!("/{code}");
    for (path, status, words) in [
        ("/", 200, "/console"),
        ("/no-such-code", 404, "No such link"),
        ("/a/b", 404, "No such link"),
        (&legal, 451, "legal reasons"),
    ] {
        let page = browser.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (status, Some("text/html; charset=utf-8")), "{path}");
        assert!(page.body.contains(words) && page.header("vary") == Some("accept"), "{path}: {page:?}");
    }
    app.get("/").await.problem(404, "route_not_found");
    app.get("/no-such-code").await.problem(404, "url_not_found");
    let both = app.request(Method::GET, "/no-such-code").header("accept", "application/json, text/html;q=0.9");
    send(both).await.problem(404, "url_not_found");
    browser.get("/urls/99").await.problem(404, "url_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_that_is_switched_off_is_not_there() {
    let app = TestApp::start_with(Kind::Sqlite, &[("CONSOLE", "false")]).await;
    let browser = Browser::new(&app);
    app.get("/console").await.problem(404, "url_not_found");
    assert_eq!(browser.get("/console").await.status, 404);
    assert_eq!(browser.post("/console/session", &[("token", "x")]).await.status, 404);
    assert!(!browser.get("/").await.body.contains("href=\"/console\""));
}
