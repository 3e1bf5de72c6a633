//! Signing in, what a session may do, and what keeps other sites' pages out.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::browser::{Browser, form};
use crate::{
    access::{ADMIN, Guarded},
    app::{TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(a_session_of_a_key_sees_what_the_key_does_until_it_is_revoked);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_sets_a_cookie_that_only_the_console_takes() {
    let app = TestApp::start_with(Kind::Sqlite, &[("ADMIN_TOKEN", ADMIN)]).await;
    let browser = Browser::new(&app);
    let answer = browser.get("/console?state=active").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/console/sign-in?to=%2Fconsole%3Fstate%3Dactive"))
    );
    let page = browser.follow(&answer).await;
    assert!(page.status == 200 && page.body.contains("Sign in to buoy"), "{page:?}");
    let answer = browser.post("/console/session", &[("token", ADMIN), ("to", "/console?state=active")]).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("buoy=") && !cookie.contains(ADMIN), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200"), "{cookie}");
    assert_eq!(browser.follow(&answer).await.status, 200);
    // The same cookie opens no route of the API.
    browser.get("/urls").await.problem(401, "credentials_required");
    browser.send(browser.request(Method::DELETE, "/users/1")).await.problem(401, "credentials_required");
    assert_eq!(browser.post("/console/sign-out", &[]).await.status, 303);
    assert_eq!(browser.get("/console").await.status, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_of_another_host_is_secure_and_of_that_host_alone() {
    let app = TestApp::start_with(Kind::Sqlite, &[("ADMIN_TOKEN", ADMIN)]).await;
    let request = form(app.request(Method::POST, "/console/session"), &[("token", ADMIN)]);
    let request = request.header("host", "go.example.com").header("origin", "https://go.example.com");
    let answer = send(request).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-buoy="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=43200"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_are_refused_and_limited() {
    let variables = [("ADMIN_TOKEN", ADMIN), ("LIMITS", "on"), ("LIMIT_FAILED_CREDENTIALS", "1/h+2")];
    let app = TestApp::start_with(Kind::Sqlite, &variables).await;
    let browser = Browser::new(&app);
    let mut statuses = Vec::new();
    for token in ["wrong", "", "buoy_wrong", "wrong again"] {
        let answer = browser.post("/console/session", &[("token", token)]).await;
        assert!(answer.header("set-cookie").is_none() && answer.body.contains("role=\"alert\""), "{answer:?}");
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [401, 401, 429, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_sites_cannot_act_and_no_cache_keeps_a_page() {
    let app = TestApp::start(Kind::Sqlite).await;
    let browser = Browser::new(&app);
    let user = [("username", "eve"), ("email", "eve@example.com"), ("original_url", "https://example.com")];
    let foreign =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")];
    for (name, value) in foreign {
        let request = form(browser.request(Method::POST, "/console/links/new"), &user).header(name, value);
        assert_eq!(browser.send(request).await.status, 403, "{name}: {value}");
    }
    let request = form(browser.request(Method::POST, "/console/links/new"), &user);
    assert_eq!(browser.send(request).await.status, 403, "a form that does not say where it comes from");
    assert_eq!(app.get("/users").await.expect(200), json!([]));
    let own = form(browser.request(Method::POST, "/console/links/new"), &user).header("origin", &app.base);
    assert_eq!(browser.send(own).await.status, 303);

    for path in ["/console", "/console/links/new", "/console/nothing", "/console/links/1/edit"] {
        let page = browser.get(path).await;
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
        let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(page.header("content-security-policy"), Some(policy), "{path}");
        for inline in ["<style", " style=", "onclick=", "<script>", "javascript:"] {
            assert!(!page.body.contains(inline), "{path}: {inline}");
        }
    }
    let rebound = browser.request(Method::GET, "/console").header("host", "evil.example");
    assert_eq!(browser.send(rebound).await.status, 403);
}

async fn a_session_of_a_key_sees_what_the_key_does_until_it_is_revoked(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let app = &guarded.app;
    let (id, key) = guarded.key(guarded.bob, &["links:read"]).await;
    let browser = Browser::signed_in(app, &key).await;
    let page = browser.get("/console").await;
    assert!(page.status == 200 && !page.body.contains("anns"), "{page:?}");
    // What it may not do is not offered, and refused all the same.
    assert!(!page.body.contains("/console/links/new"), "{page:?}");
    let answer = browser.post("/console/links/new", &[("original_url", "https://example.com")]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(browser.get("/console/links/1/edit").await.status, 404);

    let path = format!("/users/{}/keys/{id}", guarded.bob);
    let revoked = Instant::now();
    assert_eq!(app.ask(ADMIN, Method::DELETE, &path, None).await.status, 204);
    app.until("signed out", || async { browser.get("/console").await.status == 303 }).await;
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
}
