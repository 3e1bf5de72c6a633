//! `/urls`.

use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    links_are_created_read_and_listed,
    one_target_twice_makes_two_links,
    chosen_codes_are_taken_once,
    a_code_once_used_is_never_given_away_again,
    updates_leave_an_event_per_changed_field,
    updated_at_moves_on_real_changes_alone,
    refused_changes_change_nothing,
    deletion_is_idempotent_and_leaves_an_event,
    links_that_do_not_exist,
);

const TARGET: &str = "https://example.com/articles/1?ref=a&b=%20#top";

async fn links_are_created_read_and_listed(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let url = app.post("/urls", &json!({"user_id": user, "original_url": TARGET, "title": "Top"})).await.expect(201);
    let keys: Vec<_> = url.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["created_at", "id", "is_active", "original_url", "short_code", "short_url", "title", "updated_at", "user_id"];
    assert_eq!(keys, expected);
    assert_eq!((&url["user_id"], &url["original_url"]), (&json!(user), &json!(TARGET)));
    assert_eq!((&url["title"], &url["is_active"]), (&json!("Top"), &json!(true)));
    assert_eq!(url["created_at"], url["updated_at"]);
    let code = url["short_code"].as_str().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_alphanumeric()), "{code}");
    assert_eq!(app.get(&format!("/urls/{}", url["id"])).await.expect(200), url);
    assert_eq!(app.get("/urls").await.expect(200), json!([url]));
    let events = app.events_of(&url["id"]).await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["event_type"], &events[0]["user_id"]), (&json!("created"), &json!(user)));
    assert_eq!(events[0]["details"], json!({"short_code": code, "original_url": TARGET}));
    assert_eq!(events[0]["timestamp"], url["created_at"]);
    // No title is null.
    assert_eq!(app.url(user, TARGET).await["title"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_fields_are_named() {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    for (body, fields) in [
        (json!({}), vec!["original_url", "user_id"]),
        (json!({"user_id": user}), vec!["original_url"]),
        (json!({"original_url": TARGET}), vec!["user_id"]),
        (json!({"user_id": user.to_string(), "original_url": TARGET}), vec!["user_id"]),
        (json!({"user_id": 1.5, "original_url": TARGET}), vec!["user_id"]),
        (json!({"user_id": true, "original_url": TARGET}), vec!["user_id"]),
        (json!({"user_id": null, "original_url": null}), vec!["original_url", "user_id"]),
        (json!({"user_id": 0, "original_url": TARGET}), vec!["user_id"]),
        (json!({"user_id": user, "original_url": 7}), vec!["original_url"]),
        (json!({"user_id": user, "original_url": "not a url"}), vec!["original_url"]),
        (json!({"user_id": user, "original_url": TARGET, "title": 7}), vec!["title"]),
        (json!({"user_id": user, "original_url": TARGET, "short_code": 7}), vec!["short_code"]),
        (json!({"user_id": user, "original_url": TARGET, "short_code": ""}), vec!["short_code"]),
        (json!({"user_id": user, "original_url": TARGET, "short_code": "a b"}), vec!["short_code"]),
        (json!({"user_id": user, "original_url": TARGET, "short_code": "a/b"}), vec!["short_code"]),
        (json!({"user_id": user, "original_url": TARGET, "short_code": "ü"}), vec!["short_code"]),
        (json!({"user_id": user, "original_url": TARGET, "short_code": "x".repeat(65)}), vec!["short_code"]),
    ] {
        assert_eq!(app.post("/urls", &body).await.refused_fields(), fields, "{body}");
    }
    let unknown = app.post("/urls", &json!({"user_id": user + 1, "original_url": TARGET})).await;
    unknown.problem(404, "user_not_found");
    assert_eq!(app.get("/urls").await.expect(200), json!([]));
    assert_eq!(app.get("/events").await.expect(200), json!([]));
}

async fn one_target_twice_makes_two_links(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let (one, two) = (app.url(user, TARGET).await, app.url(user, TARGET).await);
    assert_ne!(one["id"], two["id"]);
    assert_ne!(one["short_code"], two["short_code"]);
}

async fn chosen_codes_are_taken_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let choose = async |code: &str| {
        app.post("/urls", &json!({"user_id": user, "original_url": TARGET, "short_code": code})).await
    };
    let longest = "x".repeat(64);
    for code in ["a", "007", "-_-", "Spring_Sale-2026", "Userland", longest.as_str()] {
        assert_eq!(choose(code).await.expect(201)["short_code"], code);
        assert_eq!(app.get(&format!("/{code}")).await.status, 302, "{code}");
        let taken = choose(code).await.problem(409, "short_code_taken");
        assert!(taken["errors"]["short_code"].is_string());
    }
    // Codes are told apart by case; null asks for a generated one.
    choose("spring_sale-2026").await.expect(201);
    let body = json!({"user_id": user, "original_url": TARGET, "short_code": null, "title": null});
    assert_eq!(app.post("/urls", &body).await.expect(201)["short_code"].as_str().unwrap().len(), 6);
}

async fn a_code_once_used_is_never_given_away_again(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let choose = async |user: i64, code: &str| {
        app.post("/urls", &json!({"user_id": user, "original_url": TARGET, "short_code": code})).await
    };
    let chosen = choose(ann, "mine").await.expect(201);
    let generated = app.url(ann, TARGET).await;
    let lost_with_user = choose(bob, "bobs").await.expect(201);
    let generated_for_bob = app.url(bob, TARGET).await;
    assert_eq!(app.delete(&format!("/urls/{}", chosen["id"])).await.status, 204);
    assert_eq!(app.delete(&format!("/urls/{}", generated["id"])).await.status, 204);
    assert_eq!(app.delete(&format!("/users/{bob}")).await.status, 204);
    for url in [chosen, generated, lost_with_user, generated_for_bob] {
        let code = url["short_code"].as_str().unwrap();
        choose(ann, code).await.problem(409, "short_code_taken");
        app.get(&format!("/{code}")).await.problem(404, "url_not_found");
    }
    assert_eq!(app.get("/urls").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserved_codes_are_refused() {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    for code in [
        "admin",
        "api",
        "assets",
        "console",
        "docs",
        "favicon.ico",
        "health",
        "login",
        "metrics",
        "openapi.json",
        "ready",
        "robots.txt",
        "static",
        "stats",
        ".well-known",
        "users",
        "urls",
        "events",
    ] {
        let body = json!({"user_id": user, "original_url": TARGET, "short_code": code});
        assert_eq!(app.post("/urls", &body).await.refused_fields(), ["short_code"], "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_urls_stand_under_the_host_or_the_public_url() {
    let app = TestApp::start_with(Kind::Sqlite, &[("ALLOWED_HOSTS", "go.example.com")]).await;
    let user = app.user("ann").await;
    let url = app.url(user, TARGET).await;
    let code = url["short_code"].as_str().unwrap();
    assert_eq!(url["short_url"], format!("{}/{code}", app.base));
    let path = format!("/urls/{}", url["id"]);
    for (host, base) in
        [("go.example.com", "http://go.example.com"), ("go.example.com:8080", "http://go.example.com:8080")]
    {
        let answer = send(app.request(reqwest::Method::GET, &path).header("host", host)).await;
        assert_eq!(answer.expect(200)["short_url"], format!("{base}/{code}"), "{host}");
    }
    let public = TestApp::start_on(&app.database, &[("PUBLIC_URL", "https://go.example.com/")]).await;
    assert_eq!(public.get(&path).await.expect(200)["short_url"], format!("https://go.example.com/{code}"));
    assert_eq!(public.get("/urls").await.expect(200)[0]["short_url"], format!("https://go.example.com/{code}"));
}

async fn updates_leave_an_event_per_changed_field(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, TARGET).await;
    let path = format!("/urls/{}", url["id"]);
    let body = json!({"title": "New", "is_active": false, "original_url": "https://example.com/new"});
    let changed = app.put(&path, &body).await.expect(200);
    for field in ["title", "is_active", "original_url"] {
        assert_eq!(changed[field], body[field]);
    }
    for field in ["id", "user_id", "short_code", "short_url", "created_at"] {
        assert_eq!(changed[field], url[field]);
    }
    assert_eq!(app.get(&path).await.expect(200), changed);
    let patch = app.request(reqwest::Method::PATCH, &path).json(&json!({"title": null}));
    assert_eq!(send(patch).await.expect(200)["title"], Value::Null);
    let events = app.events_of(&url["id"]).await;
    let updates: Vec<_> = events.iter().filter(|event| event["event_type"] == "updated").collect();
    assert_eq!(updates.len(), 4, "{events:?}");
    let field = |name: &str| updates.iter().find(|event| event["details"]["field"] == name).unwrap();
    assert_eq!(field("title")["details"], json!({"field": "title", "new_value": "New"}));
    assert_eq!(field("is_active")["details"], json!({"field": "is_active", "new_value": false}));
    let target = json!({"field": "original_url", "new_value": "https://example.com/new"});
    assert_eq!(field("original_url")["details"], target);
    assert_eq!(updates[3]["details"], json!({"field": "title", "new_value": null}));
}

async fn updated_at_moves_on_real_changes_alone(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, TARGET).await;
    let path = format!("/urls/{}", url["id"]);
    for same in [
        json!({}),
        json!({"title": null}),
        json!({"is_active": true}),
        json!({"original_url": TARGET}),
        // As it was read.
        url.clone(),
    ] {
        assert_eq!(app.put(&path, &same).await.expect(200), url, "{same}");
    }
    assert_eq!(app.events_of(&url["id"]).await.len(), 1);
    let changed = app.put(&path, &json!({"title": "x"})).await.expect(200);
    assert!(changed["updated_at"].as_str() > url["updated_at"].as_str(), "{changed}");
    assert_eq!(changed["created_at"], url["created_at"]);
}

async fn refused_changes_change_nothing(kind: Kind) {
    let app = TestApp::start(kind).await;
    let url = app.url(app.user("ann").await, TARGET).await;
    let path = format!("/urls/{}", url["id"]);
    for (body, field) in [
        (json!({"is_active": null}), "is_active"),
        (json!({"is_active": "false"}), "is_active"),
        (json!({"is_active": 0}), "is_active"),
        (json!({"original_url": null}), "original_url"),
        (json!({"original_url": "ftp://example.com", "title": "New"}), "original_url"),
        (json!({"title": ["x"]}), "title"),
    ] {
        assert_eq!(app.put(&path, &body).await.refused_fields(), [field], "{body}");
    }
    assert_eq!(app.get(&path).await.expect(200), url);
}

async fn deletion_is_idempotent_and_leaves_an_event(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let url = app.url(user, TARGET).await;
    let path = format!("/urls/{}", url["id"]);
    for _ in 0..2 {
        let deleted = app.delete(&path).await;
        assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    }
    app.get(&path).await.problem(404, "url_not_found");
    app.put(&path, &json!({"title": "x"})).await.problem(404, "url_not_found");
    let events = app.events_of(&url["id"]).await;
    let kinds: Vec<_> = events.iter().map(|event| event["event_type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["created", "deleted"]);
    assert!(events.iter().all(|event| event["user_id"] == user && event["url_id"] == url["id"]));
    assert!(events[1]["details"].is_object());
    // An id once used is not used again.
    assert_ne!(app.url(user, TARGET).await["id"], url["id"]);
}

async fn links_that_do_not_exist(kind: Kind) {
    let app = TestApp::start(kind).await;
    for name in ["1", "0", "-1", "abc", "1.5", "%00", "9007199254740992", "99999999999999999999999999"] {
        let path = format!("/urls/{name}");
        assert_eq!(app.get(&path).await.problem(404, "url_not_found")["error"], "URL not found");
        app.put(&path, &json!({"title": "x"})).await.problem(404, "url_not_found");
    }
    for missing in ["1", "0", "-1", "9007199254740992", "99999999999999999999999999"] {
        assert_eq!(app.delete(&format!("/urls/{missing}")).await.status, 204, "{missing}");
    }
    for malformed in ["abc", "1.5", "%00", "-", "1-1"] {
        app.delete(&format!("/urls/{malformed}")).await.problem(404, "url_not_found");
    }
}
