//! Ids that the database gives out: free, such that clients can name them, and never a reason to lose a row.

use std::sync::Arc;

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    access::{ADMIN, Guarded},
    app::{Answer, TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
        sums::assert_clicks_add_up,
    },
    process::run,
};

on_both_databases!(ids_after_the_largest_given_one_can_be_named, ids_that_cannot_be_named_are_not_kept);

const TABLES: [&str; 5] = ["users", "urls", "events", "api_keys", "click_pending"];

async fn upload(app: &TestApp, path: &str, csv: String) -> Answer {
    let form = Form::new().part("file", Part::text(csv).file_name("some.csv"));
    send(app.request(Method::POST, path).multipart(form)).await
}

async fn ids_after_the_largest_given_one_can_be_named(kind: Kind) {
    let app = TestApp::start(kind).await;
    let largest = 1_i64 << 52;
    let users = |id: i64| format!("id,username,email\n{id},ann,ann@example.com\n");
    let refused = upload(&app, "/users/bulk", users(largest + 1)).await.problem(422, "invalid_rows");
    assert!(refused.to_string().contains("from 1 to 4503599627370496"), "{refused}");
    upload(&app, "/users/bulk", users(largest)).await.expect(201);
    let urls = format!("id,user_id,original_url\n{largest},{largest},https://example.com/ann\n");
    upload(&app, "/urls/bulk", urls).await.expect(201);
    let bob = app.user("bob").await;
    assert_eq!(bob, largest + 1);
    let url = app.url(bob, "https://example.com/bob").await;
    assert_eq!(url["id"], largest + 1);
    let (user, link) = (format!("/users/{bob}"), format!("/urls/{}", url["id"]));
    assert_eq!(app.get(&user).await.expect(200)["username"], "bob");
    app.put(&link, &json!({"title": "read and changed"})).await.expect(200);
    app.post("/events", &json!({"event_type": "shared", "url_id": url["id"], "user_id": bob})).await.expect(201);
    assert_eq!(app.events_of(&url["id"]).await.len(), 3);
    assert_eq!(app.delete(&link).await.status, 204);
    assert_eq!(app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await.status, 404);
    assert_eq!(app.delete(&user).await.status, 204);
}

/// Sets what the table's sequence gave out last.
fn given_out(kind: Kind, table: &str, id: i64) -> String {
    match kind {
        Kind::Sqlite => format!("UPDATE sqlite_sequence SET seq = {id} WHERE name = '{table}'"),
        Kind::Postgres => format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), {id})"),
    }
}

async fn ids_that_cannot_be_named_are_not_kept(kind: Kind) {
    const LARGEST: i64 = (1 << 53) - 1;
    let app = TestApp::start(kind).await;
    let ann = app.user("ann").await;
    let url = app.url(ann, "https://example.com").await;
    for table in ["users", "urls", "events"] {
        app.database.execute(&given_out(kind, table, LARGEST)).await;
    }
    let bob = json!({"username": "bob", "email": "bob@example.com"});
    let refused = app.post("/users", &bob).await;
    refused.problem(503, "ids_exhausted");
    assert_eq!(refused.header("retry-after"), Some("2"));
    app.post("/urls", &json!({"user_id": ann, "original_url": "https://example.com/2"}))
        .await
        .problem(503, "ids_exhausted");
    app.post("/events", &json!({"event_type": "x", "url_id": url["id"]})).await.problem(503, "ids_exhausted");
    assert_eq!(app.get("/users").await.expect(200).as_array().unwrap().len(), 1);
    // A click waits until ids can be named again.
    assert_eq!(app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await.status, 302);
    app.until("tried", || async { app.server.lines().iter().any(|line| line.contains("clicks not stored yet")) }).await;
    if kind == Kind::Postgres {
        let doctor = run(app.database.folder(), &["doctor"], &[("DATABASE_URL", &app.database.url)]);
        assert!(doctor.out.contains("fail  sequences") && doctor.out.contains("users, urls, events"), "{doctor:?}");
    }
    for table in ["users", "urls", "events"] {
        app.database.execute(&given_out(kind, table, 100)).await;
    }
    assert_eq!(app.post("/users", &bob).await.expect(201)["id"], 101);
    app.until("stored", || async { app.clicks(&url["id"]).await == 1 }).await;
    assert_eq!(app.metric("buoy_clicks_lost_total").await, 0.0);
    assert_clicks_add_up(&app.database).await;
}

/// Sets every sequence back behind its table, as logical replication leaves it.
async fn set_back(database: &Database) {
    for table in TABLES {
        database.execute(&given_out(Kind::Postgres, table, 1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_succeed_though_sequences_are_behind() {
    let guarded = Guarded::start(Kind::Postgres).await;
    let (app, ann) = (&guarded.app, guarded.ann);
    let ask = async |method: Method, path: &str, body: Value| {
        set_back(&app.database).await;
        app.ask(ADMIN, method, path, Some(&body)).await
    };
    let url = json!({"user_id": ann, "original_url": "https://example.com/1"});
    let link = ask(Method::POST, "/urls", url.clone()).await.expect(201);
    let link = format!("/urls/{}", link["id"]);
    let keys = format!("/users/{ann}/keys");
    ask(Method::POST, "/users", json!({"username": "carol", "email": "carol@example.com"})).await.expect(201);
    ask(Method::POST, "/users", json!({"username": "dan", "email": "carol@example.com"}))
        .await
        .problem(409, "email_taken");
    ask(Method::PATCH, &link, json!({"title": "changed"})).await.expect(200);
    ask(Method::POST, &keys, json!({"name": "first", "scopes": ["links:read"]})).await.expect(201);
    ask(Method::POST, &keys, json!({"name": "second", "scopes": ["links:read"]})).await.expect(201);
    let event = json!({"event_type": "shared", "url_id": link[6..].parse::<i64>().unwrap()});
    ask(Method::POST, "/events", event).await.expect(201);
    set_back(&app.database).await;
    let request = app.request(Method::POST, "/urls").bearer_auth(ADMIN).header("idempotency-key", "one").json(&url);
    send(request).await.expect(201);
    set_back(&app.database).await;
    assert_eq!(app.ask(ADMIN, Method::DELETE, &link, None).await.status, 204);
    let urls = app.ask(ADMIN, Method::GET, &format!("/urls?user_id={ann}"), None).await.expect(200);
    assert_eq!(urls.as_array().unwrap().len(), 2, "each change was made once: {urls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clicks_are_stored_though_sequences_are_behind() {
    let app = TestApp::start_with(Kind::Postgres, &[("CLICK_FLUSH_MS", "20")]).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    let path = format!("/{}", url["short_code"].as_str().unwrap());
    // One alone, and enough for a batch by COPY.
    for clicks in [1, 150, 150] {
        set_back(&app.database).await;
        let answers = futures_util::future::join_all((0..clicks).map(|_| app.get(&path))).await;
        assert!(answers.iter().all(|answer| answer.status == 302));
        app.until("stored", || async { app.metric("buoy_clicks_queued").await == 0.0 }).await;
    }
    assert_eq!(app.clicks(&url["id"]).await, 301);
    assert_eq!(app.metric("buoy_clicks_lost_total").await, 0.0);
    assert_clicks_add_up(&app.database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_tells_of_sequences_that_are_behind_and_migrate_moves_them() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let app = TestApp::start_on(&database, &[]).await;
    for name in ["ann", "bob", "carol"] {
        app.user(name).await;
    }
    set_back(&database).await;
    let command = |command: &str| run(database.folder(), &[command], &[("DATABASE_URL", &database.url)]);
    let told = command("doctor");
    assert!(told.out.contains("fail  sequences") && told.out.contains("the next ids of users are taken"), "{told:?}");
    let migrated = command("migrate");
    assert!(migrated.status.success(), "{migrated:?}");
    let told = command("doctor");
    assert!(told.out.contains("ok    sequences"), "{told:?}");
    assert_eq!(app.user("dan").await, 4);
}
