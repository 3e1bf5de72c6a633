//! `/users`.

use serde_json::json;

use crate::{
    app::TestApp,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    users_are_created_read_and_listed,
    taken_names_and_addresses_are_conflicts,
    changes_keep_the_other_fields,
    a_change_to_a_taken_name_is_a_conflict,
    deletion_is_idempotent_and_takes_the_links_along,
    users_that_do_not_exist,
);

async fn users_are_created_read_and_listed(kind: Kind) {
    let app = TestApp::start(kind).await;
    let created = app.post("/users", &json!({"username": "ann", "email": "ann@example.com"})).await.expect(201);
    let keys: Vec<_> = created.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["created_at", "email", "id", "username"]);
    assert_eq!((&created["username"], &created["email"]), (&json!("ann"), &json!("ann@example.com")));
    let at: chrono::DateTime<chrono::Utc> = created["created_at"].as_str().unwrap().parse().unwrap();
    assert!(created["created_at"].as_str().unwrap().ends_with('Z') && at.timestamp() > 1_700_000_000);
    assert_eq!(app.get(&format!("/users/{}", created["id"])).await.expect(200), created);
    assert_eq!(app.get("/users").await.expect(200), json!([created]));
    let body = json!({"username": "bob", "email": "bob@example.com", "id": 77, "admin": true});
    assert_eq!(app.post("/users", &body).await.refused_fields(), ["admin", "id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_fields_are_named() {
    let app = TestApp::start(Kind::Sqlite).await;
    let email = "ann@example.com";
    for (body, fields) in [
        (json!({}), vec!["email", "username"]),
        (json!({"username": "ann"}), vec!["email"]),
        (json!({"email": email}), vec!["username"]),
        (json!({"username": "", "email": email}), vec!["username"]),
        (json!({"username": "  ", "email": email}), vec!["username"]),
        (json!({"username": "ann", "email": "no address"}), vec!["email"]),
        (json!({"username": null, "email": null}), vec!["email", "username"]),
        (json!({"username": 1, "email": true}), vec!["email", "username"]),
        (json!({"username": ["ann"], "email": {"a": email}}), vec!["email", "username"]),
    ] {
        assert_eq!(app.post("/users", &body).await.refused_fields(), fields, "{body}");
    }
    assert_eq!(app.get("/users").await.expect(200), json!([]));
}

async fn taken_names_and_addresses_are_conflicts(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.user("ann").await;
    let name = app.post("/users", &json!({"username": "ann", "email": "other@example.com"})).await;
    assert!(name.problem(409, "username_taken")["errors"]["username"].is_string());
    let address = app.post("/users", &json!({"username": "other", "email": "ann@example.com"})).await;
    assert!(address.problem(409, "email_taken")["errors"]["email"].is_string());
    app.post("/users", &json!({"username": "ann", "email": "ann@example.com"})).await.problem(409, "username_taken");
    // Names are told apart by case.
    app.post("/users", &json!({"username": "Ann", "email": "Ann@example.com"})).await.expect(201);
}

async fn changes_keep_the_other_fields(kind: Kind) {
    let app = TestApp::start(kind).await;
    let id = app.user("ann").await;
    let path = format!("/users/{id}");
    let before = app.get(&path).await.expect(200);
    assert_eq!(app.put(&path, &json!({})).await.expect(200), before);
    let renamed = app.put(&path, &json!({"username": "anna"})).await.expect(200);
    assert_eq!((&renamed["username"], &renamed["email"]), (&json!("anna"), &before["email"]));
    let patch = app.request(reqwest::Method::PATCH, &path).json(&json!({"email": "anna@example.com"}));
    let moved = crate::app::send(patch).await.expect(200);
    assert_eq!((&moved["username"], &moved["email"]), (&json!("anna"), &json!("anna@example.com")));
    assert_eq!((&moved["id"], &moved["created_at"]), (&before["id"], &before["created_at"]));
    // One's own values are not taken.
    app.put(&path, &json!({"username": "anna", "email": "anna@example.com"})).await.expect(200);
    assert_eq!(app.put(&path, &json!({"username": null, "email": 7})).await.refused_fields(), ["email", "username"]);
    assert_eq!(app.get(&path).await.expect(200), moved);
}

async fn a_change_to_a_taken_name_is_a_conflict(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.user("ann").await;
    let path = format!("/users/{}", app.user("bob").await);
    app.put(&path, &json!({"username": "ann"})).await.problem(409, "username_taken");
    app.put(&path, &json!({"email": "ann@example.com"})).await.problem(409, "email_taken");
    let both = json!({"username": "free", "email": "ann@example.com"});
    app.put(&path, &both).await.problem(409, "email_taken");
    assert_eq!(app.get(&path).await.expect(200)["username"], "bob");
}

async fn deletion_is_idempotent_and_takes_the_links_along(kind: Kind) {
    let app = TestApp::start(kind).await;
    let id = app.user("ann").await;
    let (one, two) = (app.url(id, "https://example.com/1").await, app.url(id, "https://example.com/2").await);
    for _ in 0..2 {
        let deleted = app.delete(&format!("/users/{id}")).await;
        assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    }
    app.get(&format!("/users/{id}")).await.problem(404, "user_not_found");
    assert_eq!(app.get("/urls").await.expect(200), json!([]));
    for url in [one, two] {
        app.get(&format!("/urls/{}", url["id"])).await.problem(404, "url_not_found");
        app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await.problem(404, "url_not_found");
        let events = app.events_of(&url["id"]).await;
        let kinds: Vec<_> = events.iter().map(|event| event["event_type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["created", "deleted"]);
        assert!(events.iter().all(|event| event["user_id"] == id), "events keep the ids: {events:?}");
    }
    // The name is free again, the id is not.
    assert_ne!(app.user("ann").await, id);
}

async fn users_that_do_not_exist(kind: Kind) {
    let app = TestApp::start(kind).await;
    for name in ["1", "0", "-1", "abc", "1.5", "%20", "9007199254740992", "99999999999999999999999999", "1e3"] {
        let path = format!("/users/{name}");
        let read = app.get(&path).await.problem(404, "user_not_found");
        assert_eq!(read["error"], "User not found");
        app.put(&path, &json!({"username": "ann"})).await.problem(404, "user_not_found");
    }
    for missing in ["1", "0", "9007199254740992", "99999999999999999999999999"] {
        assert_eq!(app.delete(&format!("/users/{missing}")).await.status, 204, "{missing}");
    }
    for malformed in ["abc", "1.5", "%20", "1e3"] {
        app.delete(&format!("/users/{malformed}")).await.problem(404, "user_not_found");
    }
}
