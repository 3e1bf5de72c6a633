//! `Idempotency-Key`: done once, answered alike.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    app::{Answer, TestApp},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    the_same_request_has_the_same_answer,
    failures_are_replayed_too,
    a_key_belongs_to_one_request,
    many_at_once_make_one_link,
    a_key_outlives_the_process,
    a_kill_in_between_leaves_all_or_nothing,
    keys_expire_after_a_day,
);

async fn replay_of(app: &TestApp, path: &str, key: &str, body: &serde_json::Value, first: &Answer) {
    let again = app.post_with_key(path, key, body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
}

async fn the_same_request_has_the_same_answer(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = json!({"username": "ann", "email": "ann@example.com"});
    let first = app.post_with_key("/users", "key-1", &user).await;
    let id = first.expect(201)["id"].clone();
    replay_of(&app, "/users", "key-1", &user, &first).await;
    let url = json!({"user_id": id, "original_url": "https://example.com"});
    let first = app.post_with_key("/urls", "key-2", &url).await;
    let url_id = first.expect(201)["id"].clone();
    replay_of(&app, "/urls", "key-2", &url, &first).await;
    let event = json!({"url_id": url_id, "event_type": "shared"});
    let first = app.post_with_key("/events", "key-3", &event).await;
    first.expect(201);
    replay_of(&app, "/events", "key-3", &event, &first).await;
    // Another key, another link; what was changed since does not show in a replay.
    app.post_with_key("/urls", "key-4", &url).await.expect(201);
    assert_eq!(app.delete(&format!("/urls/{url_id}")).await.status, 204);
    assert_eq!(app.post_with_key("/urls", "key-2", &url).await.expect(201)["id"], url_id);
    assert_eq!(app.get("/urls").await.expect(200).as_array().unwrap().len(), 1);
}

async fn failures_are_replayed_too(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = json!({"user_id": 1, "original_url": "https://example.com", "short_code": "one"});
    let first = app.post_with_key("/urls", "key-1", &url).await;
    first.problem(404, "user_not_found");
    let ann = json!({"username": "ann", "email": "ann@example.com"});
    app.post("/users", &ann).await.expect(201);
    replay_of(&app, "/urls", "key-1", &url, &first).await;
    app.post("/urls", &url).await.expect(201);
    let taken = app.post_with_key("/urls", "key-2", &url).await;
    taken.problem(409, "short_code_taken");
    replay_of(&app, "/urls", "key-2", &url, &taken).await;
    let taken = app.post_with_key("/users", "key-3", &ann).await;
    taken.problem(409, "username_taken");
    assert_eq!(app.delete("/users/1").await.status, 204);
    replay_of(&app, "/users", "key-3", &ann, &taken).await;
}

async fn a_key_belongs_to_one_request(kind: Kind) {
    let app = TestApp::start(kind).await;
    let ann = json!({"username": "ann", "email": "ann@example.com"});
    app.post_with_key("/users", "key-1", &ann).await.expect(201);
    let bob = json!({"username": "bob", "email": "bob@example.com"});
    app.post_with_key("/users", "key-1", &bob).await.problem(422, "idempotency_key_reused");
    let url = json!({"user_id": 1, "original_url": "https://example.com"});
    app.post_with_key("/urls", "key-1", &url).await.problem(422, "idempotency_key_reused");
    let event = json!({"event_type": "click", "url_id": 1});
    app.post_with_key("/events", "key-1", &event).await.problem(422, "idempotency_key_reused");
    assert_eq!(app.get("/users").await.expect(200).as_array().unwrap().len(), 1);
    assert_eq!(app.get("/urls").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_keys_are_refused() {
    let app = TestApp::start(Kind::Sqlite).await;
    let ann = json!({"username": "ann", "email": "ann@example.com"});
    for key in ["", " ", "ü", &"k".repeat(256)] {
        app.post_with_key("/users", key, &ann).await.problem(400, "invalid_idempotency_key");
    }
    assert_eq!(app.get("/users").await.expect(200), json!([]));
    app.post_with_key("/users", &"k".repeat(255), &ann).await.expect(201);
    let quoted = app.post_with_key("/users", "\"'; DROP TABLE users; --\"", &ann).await;
    quoted.problem(409, "username_taken");
}

async fn many_at_once_make_one_link(kind: Kind) {
    let app = TestApp::start(kind).await;
    let second = TestApp::start_on(&app.database, &[]).await;
    let url = json!({"user_id": app.user("ann").await, "original_url": "https://example.com"});
    let answers = join_all((0..20).map(|index| {
        let replica = if index % 2 == 0 { &app } else { &second };
        replica.post_with_key("/urls", "key-1", &url)
    }))
    .await;
    let created: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    let first = created.first().expect("one is done");
    assert!(created.iter().all(|answer| answer.body == first.body), "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "idempotency_key_at_work");
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(app.get("/urls").await.expect(200).as_array().unwrap().len(), 1);
}

async fn a_key_outlives_the_process(kind: Kind) {
    let app = TestApp::start(kind).await;
    let ann = json!({"username": "ann", "email": "ann@example.com"});
    let first = app.post_with_key("/users", "key-1", &ann).await;
    first.expect(201);
    let database = Arc::clone(&app.database);
    drop(app);
    let app = TestApp::start_on(&database, &[]).await;
    replay_of(&app, "/users", "key-1", &ann, &first).await;
}

async fn a_kill_in_between_leaves_all_or_nothing(kind: Kind) {
    let mut app = TestApp::start(kind).await;
    let url = json!({"user_id": app.user("ann").await, "original_url": "https://example.com"});
    let links = 40;
    for round in 0..3 {
        let requests: Vec<_> = (0..links)
            .map(|index| {
                let request = app.request(reqwest::Method::POST, "/urls");
                request.header("idempotency-key", format!("key-{round}-{index}")).json(&url)
            })
            .collect();
        let sending = tokio::spawn(join_all(requests.into_iter().map(reqwest::RequestBuilder::send)));
        tokio::time::sleep(std::time::Duration::from_millis(5 + 15 * round)).await;
        app.server.kill();
        let answers = sending.await.expect("requests end");
        let answered = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|it| it.status() == 201)).count();
        let database = Arc::clone(&app.database);
        app = TestApp::start_on(&database, &[]).await;
        let stored = app.get("/urls").await.expect(200).as_array().unwrap().len();
        assert!(stored >= answered + links * round as usize, "what was answered is there");
        let keys: Vec<_> = (0..links).map(|index| format!("key-{round}-{index}")).collect();
        for again in join_all(keys.iter().map(|key| app.post_with_key("/urls", key, &url))).await {
            again.expect(201);
        }
        let stored = app.get("/urls").await.expect(200).as_array().unwrap().len();
        assert_eq!(stored, links * (round as usize + 1), "each key made one link");
    }
}

async fn keys_expire_after_a_day(kind: Kind) {
    let app = TestApp::start(kind).await;
    let ann = json!({"username": "ann", "email": "ann@example.com"});
    app.post_with_key("/users", "key-1", &ann).await.expect(201);
    app.database.execute("UPDATE idempotency_keys SET created_at = '2026-01-01T00:00:00+00:00'").await;
    app.post_with_key("/users", "key-1", &ann).await.problem(409, "username_taken");
}
