//! `/users/bulk`, `/urls/bulk` and `/events/bulk`: files over HTTP, all or nothing, streamed, idempotent.

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    files_of_each_kind_are_taken_in,
    repeated_users_count_and_are_found,
    one_bad_row_and_nothing_is_kept,
    an_upload_with_a_key_is_done_once,
    codes_taken_in_are_no_longer_unknown,
    an_upload_that_breaks_off_leaves_nothing,
);

const USERS: &str = "username,email\nann,ann@example.com\nbob,bob@example.com\n";

async fn upload(app: &TestApp, path: &str, content: impl Into<reqwest::Body>, key: Option<&str>) -> Answer {
    let form = Form::new().text("note", "ignored").part("file", Part::stream(content).file_name("some.csv"));
    let request = app.request(Method::POST, path).multipart(form);
    send(key.into_iter().fold(request, |request, key| request.header("idempotency-key", key))).await
}

fn counts(answer: &Value) -> (i64, i64, i64) {
    let number = |name: &str| answer[name].as_i64().unwrap();
    (number("imported"), number("count"), number("created"))
}

async fn files_of_each_kind_are_taken_in(kind: Kind) {
    let app = TestApp::start(kind).await;
    let users = "\u{feff}id,username,email,created_at\r\n7,ann,ann@example.com,2026-01-14 12:49:03\r\n";
    assert_eq!(counts(&upload(&app, "/users/bulk", users, None).await.expect(201)), (1, 1, 1));
    let urls = "id,user_id,short_code,original_url,title,is_active\n9,7,one,https://example.com/1,\"a, b\",False\n";
    assert_eq!(counts(&upload(&app, "/urls/bulk", urls, None).await.expect(201)), (1, 1, 1));
    let events = "url_id,user_id,event_type,timestamp,details\n9,,click,2026-01-15 00:00:00,\"{\"\"n\"\":1}\"\n";
    assert_eq!(counts(&upload(&app, "/events/bulk", events, None).await.expect(201)), (1, 1, 1));
    assert_eq!(app.get("/users/7").await.expect(200)["created_at"], "2026-01-14T12:49:03Z");
    let url = app.get("/urls/9").await.expect(200);
    assert_eq!((&url["title"], &url["is_active"]), (&json!("a, b"), &json!(false)));
    assert_eq!(app.events_of(&json!(9)).await[0]["details"], json!({"n": 1}));
    // The ids that the files brought are not given out again.
    assert!(app.user("bob").await > 7);
    assert!(app.url(7, "https://example.com/2").await["id"].as_i64().unwrap() > 9);
}

async fn repeated_users_count_and_are_found(kind: Kind) {
    let app = TestApp::start(kind).await;
    let file = format!("{USERS}ann,ann@example.com\n");
    assert_eq!(counts(&upload(&app, "/users/bulk", file.clone(), None).await.expect(201)), (3, 3, 2));
    assert_eq!(counts(&upload(&app, "/users/bulk", file, None).await.expect(201)), (3, 3, 0));
    assert_eq!(app.get("/users").await.expect(200).as_array().unwrap().len(), 2);
}

async fn one_bad_row_and_nothing_is_kept(kind: Kind) {
    let app = TestApp::start(kind).await;
    let problem = upload(&app, "/users/bulk", format!("{USERS}eve,no address\n"), None).await;
    let problem = problem.problem(422, "invalid_rows");
    assert_eq!(problem["errors"], json!({"line 4": "email: is not an e-mail address"}));
    assert_eq!(app.get("/users").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_of_the_kind_is_refused() {
    let app = TestApp::start(Kind::Sqlite).await;
    for file in ["", "a,b\n1,2\n", "user_id,original_url\n1,https://example.com\n"] {
        let problem = upload(&app, "/users/bulk", file, None).await.problem(422, "invalid_fields");
        assert!(problem["errors"]["file"].is_string(), "{problem}");
    }
    let form = Form::new().text("other", "x");
    let answer = send(app.request(Method::POST, "/users/bulk").multipart(form)).await;
    answer.problem(422, "invalid_fields");
    app.post("/users/bulk", &json!({})).await.problem(415, "unsupported_media_type");
    let broken = app.request(Method::POST, "/users/bulk").header("content-type", "multipart/form-data; boundary=x");
    send(broken.body("no boundary here")).await.problem(400, "malformed_body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_over_the_limit_is_413_and_leaves_nothing() {
    let app = TestApp::start_with(Kind::Sqlite, &[("BULK_LIMIT_BYTES", "2048")]).await;
    let rows: String = (0..200).map(|n| format!("user{n},user{n}@example.com\n")).collect();
    upload(&app, "/users/bulk", format!("{USERS}{rows}"), None).await.problem(413, "body_too_large");
    assert_eq!(app.get("/users").await.expect(200), json!([]));
}

async fn an_upload_with_a_key_is_done_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.user("owner").await;
    // Without a code each row is a new link each time, so doing it twice would show.
    let file = "user_id,original_url\n1,https://example.com/1\n1,https://example.com/2\n";
    let first = upload(&app, "/urls/bulk", file, Some("key")).await;
    first.expect(201);
    let again = upload(&app, "/urls/bulk", file, Some("key")).await;
    assert_eq!((again.expect(201), again.header("idempotency-replayed")), (first.expect(201), Some("true")));
    assert_eq!(app.get("/urls").await.expect(200).as_array().unwrap().len(), 2);
    let other = upload(&app, "/urls/bulk", "user_id,original_url\n", Some("key")).await;
    other.problem(422, "idempotency_key_reused");
}

async fn codes_taken_in_are_no_longer_unknown(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.user("owner").await;
    app.get("/fresh").await.problem(404, "url_not_found");
    let file = "user_id,original_url,short_code\n1,https://example.com/1,fresh\n";
    upload(&app, "/urls/bulk", file, None).await.expect(201);
    assert_eq!(app.get("/fresh").await.status, 302);
}

async fn an_upload_that_breaks_off_leaves_nothing(kind: Kind) {
    let app = TestApp::start(kind).await;
    let rows = futures_util::stream::iter([Ok(USERS), Err("the client went away")]);
    let form = Form::new().part("file", Part::stream(reqwest::Body::wrap_stream(rows)).file_name("users.csv"));
    assert!(app.request(Method::POST, "/users/bulk").multipart(form).send().await.is_err());
    assert_eq!(app.get("/users").await.expect(200), json!([]));
    // Nothing is held by the upload that went away.
    upload(&app, "/users/bulk", USERS, None).await.expect(201);
}
