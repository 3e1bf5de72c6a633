//! Two replicas on one PostgreSQL: what one answers as done is done on the other.

use std::sync::Arc;

use serde_json::json;

use crate::{
    app::TestApp,
    common::database::{Database, Kind},
};

/// Two replicas that know of each other, on one database.
async fn two() -> (TestApp, TestApp) {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let one = TestApp::start_on(&database, &[]).await;
    let other = TestApp::start_on(&database, &[]).await;
    one.until("two replicas", || async {
        let replicas = one.get("/replicas").await.expect(200);
        replicas.as_array().unwrap().len() == 2 && one.metric("buoy_peers").await == 1.0
    })
    .await;
    (one, other)
}

async fn location(app: &TestApp, code: &str) -> Option<String> {
    app.get(&format!("/{code}")).await.header("location").map(ToOwned::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_answered_by_one_is_seen_on_the_other() {
    let (one, other) = two().await;
    let owner = one.user("ann").await;
    for round in 0..50 {
        let code = format!("code-{round}");
        // Unknown, and remembered as such by both.
        assert_eq!((location(&one, &code).await, location(&other, &code).await), (None, None));
        let target = format!("https://example.com/{round}");
        let url = json!({"user_id": owner, "original_url": target, "short_code": code});
        let path = format!("/urls/{}", one.post("/urls", &url).await.expect(201)["id"]);
        assert_eq!(location(&other, &code).await, Some(target), "created");
        let target = format!("https://example.com/{round}/edited");
        one.put(&path, &json!({"original_url": target})).await.expect(200);
        assert_eq!(location(&other, &code).await, Some(target), "edited");
        other.put(&path, &json!({"is_active": false})).await.expect(200);
        assert_eq!(location(&one, &code).await, None, "put to sleep");
        one.put(&path, &json!({"is_active": true})).await.expect(200);
        assert!(location(&other, &code).await.is_some(), "woken");
        assert_eq!(other.delete(&path).await.status, 204);
        assert_eq!(location(&one, &code).await, None, "deleted");
    }
    assert_eq!(one.metric("buoy_changes_unacknowledged_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_come_together_are_each_seen_on_the_other() {
    let (one, other) = two().await;
    let owner = one.user("ann").await;
    let change = |nth: usize| {
        let (from, to) = if nth.is_multiple_of(2) { (&one, &other) } else { (&other, &one) };
        async move {
            let code = format!("code-{nth}");
            assert_eq!(location(to, &code).await, None, "unknown");
            let url = json!({"user_id": owner, "original_url": "https://example.com/a", "short_code": code});
            let path = format!("/urls/{}", from.post("/urls", &url).await.expect(201)["id"]);
            for round in 0..5 {
                let target = format!("https://example.com/{nth}/{round}");
                from.put(&path, &json!({"original_url": target})).await.expect(200);
                assert_eq!(location(to, &code).await, Some(target), "edited");
            }
        }
    };
    futures_util::future::join_all((0..30).map(change)).await;
    for app in [&one, &other] {
        assert_eq!(app.metric("buoy_changes_unacknowledged_total").await, 0.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_link_with_a_generated_code_waits_for_nobody() {
    let (one, other) = two().await;
    let owner = one.user("ann").await;
    let link = one.url(owner, "https://example.com").await;
    assert!(location(&other, link["short_code"].as_str().unwrap()).await.is_some());
    assert_eq!(one.metric("buoy_change_acknowledged_seconds_count").await, 0.0);
    let changed = json!({"original_url": "https://example.com/other"});
    one.put(&format!("/urls/{}", link["id"]), &changed).await.expect(200);
    assert_eq!(one.metric("buoy_change_acknowledged_seconds_count").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_disabled_on_one_is_disabled_on_the_other() {
    let (one, other) = two().await;
    let owner = one.user("ann").await;
    for round in 0..20 {
        let code = format!("code-{round}");
        let url = json!({"user_id": owner, "original_url": "https://example.com", "short_code": code});
        let path = format!("/urls/{}", one.post("/urls", &url).await.expect(201)["id"]);
        assert!(location(&other, &code).await.is_some(), "created");
        one.put(&path, &json!({"disabled_reason": "legal: order"})).await.expect(200);
        other.get(&format!("/{code}")).await.problem(451, "link_disabled");
        other.put(&path, &json!({"disabled_reason": "spam"})).await.expect(200);
        one.get(&format!("/{code}")).await.problem(404, "url_not_found");
        one.put(&path, &json!({"disabled_reason": null})).await.expect(200);
        assert!(location(&other, &code).await.is_some(), "enabled");
    }
    assert_eq!(one.metric("buoy_changes_unacknowledged_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_deleted_on_one_has_no_links_on_the_other() {
    let (one, other) = two().await;
    let owner = one.user("ann").await;
    let code = one.url(owner, "https://example.com").await["short_code"].as_str().unwrap().to_owned();
    assert!(location(&other, &code).await.is_some());
    assert_eq!(one.delete(&format!("/users/{owner}")).await.status, 204);
    assert_eq!(location(&other, &code).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_leaves_is_not_waited_for() {
    let (one, mut other) = two().await;
    other.server.signal("TERM");
    assert!(other.server.wait(std::time::Duration::from_secs(20)).success());
    one.until("alone", || async { one.metric("buoy_peers").await == 0.0 }).await;
    let owner = one.user("ann").await;
    one.url(owner, "https://example.com").await;
    assert_eq!(one.metric("buoy_change_acknowledged_seconds_count").await, 0.0);
}
