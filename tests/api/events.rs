//! `/events`.

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    access::{ADMIN, Guarded},
    app::{TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    process::run,
};

on_both_databases!(
    events_are_posted_read_and_listed,
    events_name_links_and_users_that_exist,
    details_are_kept_as_they_were_given,
    events_outlive_links_and_users,
    events_of_a_links_life_are_the_services_own,
    details_are_bounded,
    events_that_do_not_exist,
);

async fn events_are_posted_read_and_listed(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await;
    let body = json!({"event_type": "shared", "url_id": url["id"], "user_id": user, "details": {"by": "mail"}});
    let event = app.post("/events", &body).await.expect(201);
    let keys: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["details", "event_type", "id", "timestamp", "url_id", "user_id"]);
    for field in ["event_type", "url_id", "user_id", "details"] {
        assert_eq!(event[field], body[field]);
    }
    assert_eq!(app.get(&format!("/events/{}", event["id"])).await.expect(200), event);
    let anonymous = app.post("/events", &json!({"event_type": "click", "url_id": url["id"]})).await.expect(201);
    assert_eq!((&anonymous["user_id"], &anonymous["details"]), (&Value::Null, &json!({})));
    let body = json!({"event_type": "click", "url_id": url["id"], "user_id": null, "details": {}});
    let another = app.post("/events", &body).await.expect(201);
    // Newest last.
    let events = app.events_of(&url["id"]).await;
    assert_eq!(events[1..], [event, anonymous, another]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_fields_are_named() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.url(app.user("ann").await, "https://example.com").await["id"].clone();
    for (body, fields) in [
        (json!({}), vec!["event_type", "url_id"]),
        (json!({"event_type": "click"}), vec!["url_id"]),
        (json!({"url_id": url}), vec!["event_type"]),
        (json!({"event_type": "", "url_id": url}), vec!["event_type"]),
        (json!({"event_type": 5, "url_id": "1"}), vec!["event_type", "url_id"]),
        (json!({"event_type": "x".repeat(65), "url_id": url}), vec!["event_type"]),
        (json!({"event_type": "click", "url_id": url, "user_id": "me"}), vec!["user_id"]),
        (json!({"event_type": "click", "url_id": url, "details": null}), vec!["details"]),
        (json!({"event_type": "click", "url_id": url, "details": []}), vec!["details"]),
        (json!({"event_type": "click", "url_id": url, "details": "{}"}), vec!["details"]),
        (json!({"event_type": "click", "url_id": url, "details": 1}), vec!["details"]),
    ] {
        assert_eq!(app.post("/events", &body).await.refused_fields(), fields, "{body}");
    }
    assert_eq!(app.events_of(&url).await.len(), 1);
}

async fn events_name_links_and_users_that_exist(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, "https://example.com").await["id"].clone();
    app.post("/events", &json!({"event_type": "click", "url_id": 4711})).await.problem(404, "url_not_found");
    let body = json!({"event_type": "click", "url_id": url, "user_id": 4711});
    app.post("/events", &body).await.problem(404, "user_not_found");
    assert_eq!(app.events_of(&url).await.len(), 1);
}

async fn details_are_kept_as_they_were_given(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, "https://example.com").await["id"].clone();
    for details in [
        r#"{"n": 123456789012345678901234567890.50, "small": 1e-400}"#,
        r#"{"z": 1, "a": {"deep": [null, true, "x"]}}"#,
        r#"{"text": "שלום 🛟 \u0000 \u001b[31m '; DROP TABLE events; --"}"#,
        "{}",
    ] {
        let body = format!(r#"{{"event_type": "note", "url_id": {url}, "details": {details}}}"#);
        let created = app.send_text(Method::POST, "/events", body).await;
        assert_eq!(created.status, 201, "{created:?}");
        assert!(created.body.contains(details), "{created:?}");
        let id = created.json()["id"].clone();
        assert!(app.get(&format!("/events/{id}")).await.body.contains(details), "{details}");
    }
}

async fn events_outlive_links_and_users(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await;
    let body = json!({"event_type": "shared", "url_id": url["id"], "user_id": user});
    let event = app.post("/events", &body).await.expect(201);
    assert_eq!(app.delete(&format!("/urls/{}", url["id"])).await.status, 204);
    assert_eq!(app.delete(&format!("/users/{user}")).await.status, 204);
    assert_eq!(app.get(&format!("/events/{}", event["id"])).await.expect(200), event);
    let by_user = app.get(&format!("/events?user_id={user}")).await.expect(200);
    let kinds: Vec<_> = by_user.as_array().unwrap().iter().map(|e| e["event_type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["created", "shared", "deleted"]);
    // What is gone takes no new events.
    app.post("/events", &body).await.problem(404, "url_not_found");
}

async fn events_of_a_links_life_are_the_services_own(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let app = &guarded.app;
    let (id, key) = guarded.key(guarded.ann, &["links:read", "links:write"]).await;
    let link = json!({"user_id": guarded.ann, "original_url": "https://example.com"});
    let link = app.ask(&key, Method::POST, "/urls", Some(&link)).await.expect(201)["id"].clone();
    let post = async |credentials: &str, event_type: &str, details: Value| {
        let body = json!({"event_type": event_type, "url_id": link, "details": details});
        app.ask(credentials, Method::POST, "/events", Some(&body)).await
    };
    for event_type in ["created", "updated", "deleted"] {
        for credentials in [key.as_str(), ADMIN] {
            let refused = post(credentials, event_type, json!({"by": "admin"})).await;
            assert_eq!(refused.refused_fields(), ["event_type"], "{event_type}");
        }
    }
    // A word of one's own may be alike; who acted is said by the service.
    let forged = post(&key, "Deleted", json!({"by": "admin", "n": 1})).await.expect(201);
    let by = format!("key:{id}");
    assert_eq!(forged["details"], json!({"by": by, "n": 1}));
    assert_eq!(post(&key, "click", json!({})).await.expect(201)["details"], json!({"by": by}));
    assert_eq!(post(ADMIN, "note", json!({"by": [by]})).await.expect(201)["details"], json!({"by": "admin"}));
}

async fn details_are_bounded(kind: Kind) {
    let app = TestApp::start(kind).await;
    let target = format!("https://example.com/{}", "x".repeat(8_172));
    let url = app.url(app.user("ann").await, &target).await["id"].clone();
    let post = async |letters: usize| {
        app.post("/events", &json!({"event_type": "note", "url_id": url, "details": {"a": "x".repeat(letters)}})).await
    };
    // {"a":""} are eight bytes.
    post(8_192 - 8).await.expect(201);
    for letters in [8_192 - 7, 500_000] {
        assert_eq!(post(letters).await.refused_fields(), ["details"], "{letters}");
    }
    let rows = |event_type: &str, letters: usize| {
        let details = "x".repeat(letters);
        format!("url_id,event_type,details\n{url},{event_type},\"{{\"\"a\"\":\"\"{details}\"\"}}\"\n")
    };
    for (event_type, letters, status) in [("note", 8_184, 201), ("note", 8_185, 422), ("click", 9_000, 422)] {
        let form = Form::new().part("file", Part::text(rows(event_type, letters)).file_name("events.csv"));
        let answer = send(app.request(Method::POST, "/events/bulk").multipart(form)).await;
        assert_eq!(answer.status, status, "{event_type} {letters}: {answer:?}");
    }
    // What the service notes of a long target comes back in an import.
    let changed = json!({"original_url": format!("{}y", &target[..8_191])});
    app.put(&format!("/urls/{url}"), &changed).await.expect(200);
    let (database, other) = (&app.database, Database::fresh(kind).await);
    let exported = run(database.folder(), &["export", "out"], &[("DATABASE_URL", &database.url)]);
    assert!(exported.status.success(), "{exported:?}");
    let folder = database.folder().join("out").display().to_string();
    let imported = run(other.folder(), &["import", &folder], &[("DATABASE_URL", &other.url)]);
    assert!(imported.status.success(), "{imported:?}");
}

async fn events_that_do_not_exist(kind: Kind) {
    let app = TestApp::start(kind).await;
    for name in ["1", "0", "-1", "abc", "99999999999999999999999999"] {
        app.get(&format!("/events/{name}")).await.problem(404, "event_not_found");
    }
    app.delete("/events/1").await.problem(405, "method_not_allowed");
}
