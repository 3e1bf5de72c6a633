//! Following links.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    a_redirect_leads_to_the_target_and_leaves_one_click,
    targets_are_sent_byte_for_byte,
    head_redirects_and_is_not_counted,
    from_memory_or_by_the_router_is_the_same,
    nothing_else_redirects,
    an_edit_is_followed_at_once,
    clicks_of_many_visitors_are_all_counted,
);

async fn a_redirect_leads_to_the_target_and_leaves_one_click(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, "https://example.com/a").await;
    let code = url["short_code"].as_str().unwrap();
    for (count, path) in
        [format!("/{code}"), format!("/urls/{code}/redirect"), format!("/{code}?utm=1")].iter().enumerate()
    {
        let answer = app.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (302, Some("https://example.com/a")), "{path}");
        let kept = answer.header("cache-control").unwrap();
        assert!(kept.contains("no-store") && kept.contains("private"), "{kept}");
        let events = app.events_of(&url["id"]).await;
        let clicks: Vec<&Value> = events.iter().filter(|event| event["event_type"] == "click").collect();
        assert_eq!(clicks.len(), count + 1, "{path}");
        assert_eq!(clicks[count]["user_id"], Value::Null);
        assert!(clicks[count]["details"].is_object());
    }
}

async fn targets_are_sent_byte_for_byte(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    for (target, location) in [
        ("http://example.com", "http://example.com"),
        ("HTTPS://Example.COM:443/a/../b?q=1&q=2#frag", "HTTPS://Example.COM:443/a/../b?q=1&q=2#frag"),
        ("https://example.com/%zz/a b?c=%C3%BC", "https://example.com/%zz/a b?c=%C3%BC"),
        ("https://例え.jp/道?x=ü#é", "https://xn--r8jz45g.jp/%E9%81%93?x=%C3%BC#%C3%A9"),
        ("https://example.com/🛟", "https://example.com/%F0%9F%9B%9F"),
        ("http://[2606:4700::1111]:8080/'\"<>", "http://[2606:4700::1111]:8080/'\"<>"),
        ("https://example.com/?next=https://a:b@c.example", "https://example.com/?next=https://a:b@c.example"),
    ] {
        let url = app.url(user, target).await;
        assert_eq!(url["original_url"], target);
        let answer = app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await;
        assert_eq!((answer.status, answer.header("location")), (302, Some(location)));
    }
}

async fn head_redirects_and_is_not_counted(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, "https://example.com/a").await;
    let code = url["short_code"].as_str().unwrap();
    for path in [format!("/{code}"), format!("/urls/{code}/redirect")] {
        let answer = app.head(&path).await;
        assert_eq!((answer.status, answer.header("location")), (302, Some("https://example.com/a")), "{path}");
        assert_eq!(answer.body, "");
    }
    assert_eq!(app.clicks(&url["id"]).await, 0);
}

/// What an answer says, but for the time and the request's id.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, &str) {
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    (answer.status, headers, &answer.body)
}

async fn from_memory_or_by_the_router_is_the_same(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, "https://example.com/ä?q=1").await;
    let code = url["short_code"].as_str().unwrap();
    // The first one is read from the database; the second may be in memory; the third is the router's in any case.
    let mut answers = Vec::new();
    for path in [format!("/{code}"), format!("/{code}"), format!("/{code}?from=mail"), format!("/urls/{code}/redirect")]
    {
        answers.push(app.get(&path).await);
    }
    assert_eq!(answers[0].header("location"), Some("https://example.com/%C3%A4?q=1"));
    for answer in &answers {
        assert_eq!(told(answer), told(&answers[0]));
        assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
    }
    let named = app.request(Method::GET, &format!("/{code}")).header("x-request-id", "mine-1");
    assert_eq!(send(named).await.header("x-request-id"), Some("mine-1"));
    assert_eq!(app.clicks(&url["id"]).await, 5);
    let counted = r#"duration_seconds_count{method="GET",route="/{short_code}",status="302"} 4"#;
    let page = app.get("/metrics").await.body;
    assert!(page.contains(counted), "{page}");
    app.put(&format!("/urls/{}", url["id"]), &json!({"is_active": false})).await.expect(200);
    assert_eq!(app.get(&format!("/{code}")).await.status, 404, "in memory, but not to be followed");
}

async fn nothing_else_redirects(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let (inactive, deleted) =
        (app.url(user, "https://example.com/a").await, app.url(user, "https://example.com/b").await);
    app.put(&format!("/urls/{}", inactive["id"]), &json!({"is_active": false})).await.expect(200);
    assert_eq!(app.delete(&format!("/urls/{}", deleted["id"])).await.status, 204);
    let shouted = "A".repeat(65);
    for code in [
        inactive["short_code"].as_str().unwrap(),
        deleted["short_code"].as_str().unwrap(),
        "nothing",
        &shouted,
        "ü",
        "a.b",
    ] {
        for path in [format!("/{code}"), format!("/urls/{code}/redirect")] {
            app.get(&path).await.problem(404, "url_not_found");
            let head = app.head(&path).await;
            assert_eq!((head.status, head.header("location")), (404, None), "{path}");
        }
    }
    assert_eq!(app.clicks(&inactive["id"]).await + app.clicks(&deleted["id"]).await, 0);
    assert_eq!(app.get("/events?event_type=click").await.expect(200), json!([]));
}

async fn an_edit_is_followed_at_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, "https://example.com/a").await;
    let (path, follow) = (format!("/urls/{}", url["id"]), format!("/{}", url["short_code"].as_str().unwrap()));
    for target in ["https://example.com/b", "https://example.com/c"] {
        app.get(&follow).await;
        app.put(&path, &json!({"original_url": target})).await.expect(200);
        assert_eq!(app.get(&follow).await.header("location"), Some(target));
    }
    for active in [false, true, false] {
        app.put(&path, &json!({"is_active": active})).await.expect(200);
        assert_eq!(app.get(&follow).await.status, if active { 302 } else { 404 });
    }
    // A code that was asked for before it existed works from its creation on.
    app.get("/later").await.problem(404, "url_not_found");
    let body = json!({"user_id": url["user_id"], "original_url": "https://example.com/d", "short_code": "later"});
    app.post("/urls", &body).await.expect(201);
    assert_eq!(app.get("/later").await.header("location"), Some("https://example.com/d"));
}

async fn clicks_of_many_visitors_are_all_counted(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, "https://example.com/a").await;
    let follow = format!("/{}", url["short_code"].as_str().unwrap());
    let answers = futures_util::future::join_all((0..300).map(|_| app.get(&follow))).await;
    assert!(answers.iter().all(|answer| answer.status == 302));
    assert_eq!(app.clicks(&url["id"]).await, 300);
}
