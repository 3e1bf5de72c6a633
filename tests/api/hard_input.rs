//! Input that means no good, or was never meant at all.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(nul_bytes, ten_thousand_characters, numbers_beyond_64_bits, sql_in_strings, names_of_every_script,);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_json() {
    let app = TestApp::start(Kind::Sqlite).await;
    for text in [
        r#"{"username": "ann", "email": "ann@example.com""#,
        r#"{"username": "ann", "email": "ann@example.com"} x"#,
        r#"{"username": "ann", "email": "ann@example.com",}"#,
        r#"{"username": 'ann', "email": "ann@example.com"}"#,
        r#"{username: "ann"}"#,
        r#"{"username": "ann" "email": "ann@example.com"}"#,
        r#"{"username": NaN}"#,
        r#"{"username": 01}"#,
        "{\"username\": \"a\nb\"}",
        "\u{feff}{}",
        r#"{"username": "\x41"}"#,
        r#"{"username": "\u12"}"#,
    ] {
        app.send_text(Method::POST, "/users", text).await.problem(400, "malformed_body");
    }
    assert_eq!(app.get("/users").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deeply_nested_json() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    for depth in [200, 100_000, 500_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        app.send_text(Method::POST, "/users", deep.clone()).await.problem(400, "malformed_body");
        let open = "{\"a\":".repeat(depth.min(200_000));
        app.send_text(Method::POST, "/users", open).await.problem(400, "malformed_body");
        // Fields are read one by one: what is no text and no object is refused, however deep it is.
        let user = format!(r#"{{"email": "b@x.example", "username": {deep}}}"#);
        assert_eq!(app.send_text(Method::POST, "/users", user).await.refused_fields(), ["username"], "{depth}");
        let event = format!(r#"{{"event_type": "x", "url_id": {}, "details": {deep}}}"#, url["id"]);
        assert_eq!(app.send_text(Method::POST, "/events", event).await.refused_fields(), ["details"], "{depth}");
        // Filters are read whole, in bodies of 16 KiB, to 128 levels.
        let answer = app.send_text(Method::GET, "/urls", format!(r#"{{"user_id": {deep}}}"#)).await;
        match depth {
            200 => answer.problem(400, "malformed_body"),
            _ => answer.problem(413, "body_too_large"),
        };
    }
    assert_eq!(app.get("/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_keys() {
    let app = TestApp::start(Kind::Sqlite).await;
    let twice = r#"{"username": "ann", "username": "bob", "email": "ann@example.com"}"#;
    app.send_text(Method::POST, "/users", twice).await.problem(400, "malformed_body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nulls_and_wrong_types() {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await;
    let wrong = [json!(null), json!(true), json!(-1), json!(1.5), json!([]), json!({}), json!("\u{1}"), json!([["x"]])];
    for value in wrong {
        let fields = app.post("/users", &json!({"username": value, "email": value})).await.refused_fields();
        assert_eq!(fields, ["email", "username"], "{value}");
        let fields = app.post("/urls", &json!({"user_id": value, "original_url": value})).await.refused_fields();
        assert_eq!(fields, ["original_url", "user_id"], "{value}");
        let fields = app.post("/events", &json!({"event_type": value, "url_id": value})).await.refused_fields();
        assert_eq!(fields, ["event_type", "url_id"], "{value}");
        if value != json!({}) {
            let body = json!({"event_type": "x", "url_id": url["id"], "details": value});
            assert_eq!(app.post("/events", &body).await.refused_fields(), ["details"], "{value}");
        }
    }
}

async fn nul_bytes(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await;
    let body = json!({"username": "a\0b", "email": "a\0@example.com"});
    assert_eq!(app.post("/users", &body).await.refused_fields(), ["email", "username"]);
    let body = json!({"user_id": user, "original_url": "https://example.com/\0", "title": "\0", "short_code": "\0"});
    assert_eq!(app.post("/urls", &body).await.refused_fields(), ["original_url", "short_code", "title"]);
    let body = json!({"event_type": "\0", "url_id": url["id"]});
    assert_eq!(app.post("/events", &body).await.refused_fields(), ["event_type"]);
    // Within details it is text like any other: they are kept as they were given.
    let body = json!({"event_type": "x", "url_id": url["id"], "details": {"a\0": "\0"}});
    let event = app.post("/events", &body).await.expect(201);
    assert_eq!(app.get(&format!("/events/{}", event["id"])).await.expect(200)["details"], body["details"]);
    app.send_text(Method::POST, "/users", "{\"username\": \"a\0b\"}").await.problem(400, "malformed_body");
    for path in ["/%00", "/urls/%00/redirect", "/users/%00", "/a%00b"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lone_surrogates() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    for escape in [r"\ud800", r"\udc00", r"\ud800\ud800", r"x\udfffx"] {
        let body = format!(r#"{{"username": "{escape}", "email": "a@example.com"}}"#);
        assert_eq!(app.send_text(Method::POST, "/users", body).await.refused_fields(), ["username"]);
        let body = format!(r#"{{"event_type": "x", "url_id": {}, "details": {{"a": "{escape}"}}}}"#, url["id"]);
        assert_eq!(app.send_text(Method::POST, "/events", body).await.refused_fields(), ["details"]);
        let body = format!(r#"{{"{escape}": 1}}"#);
        app.send_text(Method::POST, "/users", body).await.problem(400, "malformed_body");
    }
    // A pair is one character.
    let body = r#"{"username": "\ud83d\udedf", "email": "buoy@example.com"}"#;
    let answer = app.send_text(Method::POST, "/users", body).await;
    assert_eq!(answer.expect(201)["username"], "🛟");
}

async fn ten_thousand_characters(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await;
    for long in ["x".repeat(10_000), "ü".repeat(10_000), "🛟".repeat(10_000)] {
        let body = json!({"username": long, "email": format!("{long}@example.com")});
        assert_eq!(app.post("/users", &body).await.refused_fields(), ["email", "username"]);
        let target = format!("https://example.com/{long}");
        let body = json!({"user_id": user, "original_url": target, "title": long, "short_code": long});
        assert_eq!(app.post("/urls", &body).await.refused_fields(), ["original_url", "short_code", "title"]);
        let body = json!({"event_type": long, "url_id": url["id"]});
        assert_eq!(app.post("/events", &body).await.refused_fields(), ["event_type"]);
        let details = json!({"event_type": "x", "url_id": url["id"], "details": {"text": long}});
        assert_eq!(app.post("/events", &details).await.refused_fields(), ["details"]);
    }
    for path in [format!("/{}", "x".repeat(10_000)), format!("/users/{}", "9".repeat(10_000))] {
        assert_eq!(app.get(&path).await.status, 404);
    }
    assert_eq!(app.get(&format!("/users?page={}", "9".repeat(10_000))).await.refused_fields(), ["page"]);
}

async fn numbers_beyond_64_bits(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    app.url(user, "https://example.com").await;
    let digits = "9".repeat(400);
    for number in [
        "9223372036854775808",
        "18446744073709551616",
        "-9223372036854775809",
        "1e400",
        "1E2",
        "1.0",
        "-0",
        digits.as_str(),
    ] {
        let body = format!(r#"{{"user_id": {number}, "original_url": "https://example.com"}}"#);
        assert_eq!(app.send_text(Method::POST, "/urls", body).await.refused_fields(), ["user_id"], "{number}");
        let body = format!(r#"{{"event_type": "x", "url_id": {number}}}"#);
        assert_eq!(app.send_text(Method::POST, "/events", body).await.refused_fields(), ["url_id"], "{number}");
        let body = format!(r#"{{"user_id": {number}}}"#);
        let answer = app.send_text(Method::GET, "/urls", body).await;
        // A filter's number is read as one, so it must be one.
        if number == "1e400" || number == digits {
            answer.problem(400, "malformed_body");
        } else {
            assert_eq!(answer.refused_fields(), ["user_id"], "{number}");
        }
    }
    // An id that could be, but is not.
    let body = json!({"user_id": 9_007_199_254_740_991_i64, "original_url": "https://example.com"});
    app.post("/urls", &body).await.problem(404, "user_not_found");
}

async fn sql_in_strings(kind: Kind) {
    let app = TestApp::start(kind).await;
    for (index, sql) in [
        "Robert'); DROP TABLE users;--",
        "' OR '1'='1",
        "\"; DELETE FROM urls; --",
        "%' UNION SELECT 1 --",
        "$1",
        "?1",
        ":x",
        "\\'",
    ]
    .iter()
    .enumerate()
    {
        let user = json!({"username": sql, "email": format!("{index}'--@example.com")});
        let user = app.post("/users", &user).await.expect(201);
        assert_eq!(user["username"], *sql);
        let target = format!("https://example.com/?q={sql}");
        let body = json!({"user_id": user["id"], "original_url": target, "title": sql});
        let url = app.post("/urls", &body).await.expect(201);
        assert_eq!((&url["title"], &url["original_url"]), (&json!(sql), &json!(target)));
        let event = json!({"event_type": sql, "url_id": url["id"], "details": {*sql: sql}});
        assert_eq!(app.post("/events", &event).await.expect(201)["details"], json!({*sql: sql}));
        assert_eq!(
            app.get_with_body("/events", &json!({"event_type": sql})).await.expect(200).as_array().unwrap().len(),
            1
        );
    }
    assert_eq!(app.get("/users").await.expect(200).as_array().unwrap().len(), 8);
}

async fn names_of_every_script(kind: Kind) {
    let app = TestApp::start(kind).await;
    let names = ["🛟🛟", "نور الدين", "שלום", "佐藤", "o'neil \"x\" <b>", "e\u{301}", "é", "👩‍👩‍👧‍👦"];
    for (index, name) in names.iter().enumerate() {
        let body = json!({"username": name, "email": format!("{index}@例え.jp")});
        let user = app.post("/users", &body).await.expect(201);
        assert_eq!((&user["username"], &user["email"]), (&body["username"], &body["email"]));
        let body = json!({"user_id": user["id"], "original_url": "https://example.com", "title": name});
        assert_eq!(app.post("/urls", &body).await.expect(201)["title"], *name);
    }
    let listed = app.get("/users").await.expect(200);
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
    assert_eq!(listed, names.map(Value::from));
}

/// Targets that no browser should follow, or that clients read in more than one way.
const BAD_TARGETS: &[&str] = &[
    "",
    " ",
    "example.com",
    "/path",
    "//example.com",
    "ftp://example.com",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "mailto:a@b.example",
    "http:example.com",
    "http:\\\\example.com",
    "http:/example.com",
    "http://",
    "https:///",
    "https://?x",
    "https://user@example.com",
    "https://user:secret@example.com",
    "https://@example.com",
    "https://:@example.com",
    "https://a\\@b.example",
    "https://example.com/\r\nSet-Cookie: a=b",
    "https://example.com/\t",
    "https://example.com/\u{7f}",
    "https://example.com/\u{85}",
    "\u{1}https://example.com",
    " https://example.com",
    "https://example.com\n",
    "https://exa mple.com",
    "https://example.com:99999",
    "https://[::1",
    "https://1.2.3.4.5.6.7.8:x",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_must_not_be_followed() {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await;
    for target in BAD_TARGETS {
        let body = json!({"user_id": user, "original_url": target});
        assert_eq!(app.post("/urls", &body).await.refused_fields(), ["original_url"], "{target:?}");
        let answer = app.put(&format!("/urls/{}", url["id"]), &json!({"original_url": target})).await;
        assert_eq!(answer.refused_fields(), ["original_url"], "{target:?}");
    }
    assert_eq!(app.get("/urls").await.expect(200), json!([url]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_that_collide_with_routes() {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    let document = app.get("/openapi.json").await.expect(200);
    let mut segments: Vec<&str> =
        document["paths"].as_object().unwrap().keys().filter_map(|path| path.split('/').nth(1)).collect();
    segments.extend(["docs", "openapi.json"]);
    for segment in segments.into_iter().filter(|segment| !segment.starts_with('{')) {
        let body = json!({"user_id": user, "original_url": "https://example.com", "short_code": segment});
        assert_eq!(app.post("/urls", &body).await.refused_fields(), ["short_code"], "{segment}");
    }
    // A code of digits alone, or one that reads like an id, is a code.
    for code in ["1", "0", "-1", "redirect", "bulk"] {
        let body = json!({"user_id": user, "original_url": "https://example.com/x", "short_code": code});
        app.post("/urls", &body).await.expect(201);
        assert_eq!(app.get(&format!("/{code}")).await.status, 302, "{code}");
        assert_eq!(app.get(&format!("/urls/{code}/redirect")).await.status, 302, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_escapes_in_paths() {
    let app = TestApp::start(Kind::Sqlite).await;
    for path in [
        "/%",
        "/%zz",
        "/%ff",
        "/%f",
        "/urls/%ff/redirect",
        "/users/%ff",
        "/urls/%",
        "/events/%c3%28",
        "/%2e%2e",
        "/%2f",
    ] {
        for answer in [app.get(path).await, app.head(path).await] {
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
        }
        assert!(app.get(path).await.json()["code"].is_string(), "{path}");
    }
    assert_eq!(app.delete("/urls/%ff").await.status, 404);
    // An escaped code is the code.
    let body = json!({"user_id": app.user("ann").await, "original_url": "https://example.com", "short_code": "abc"});
    app.post("/urls", &body).await.expect(201);
    assert_eq!(app.get("/%61bc").await.status, 302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_not_utf8() {
    let app = TestApp::start(Kind::Sqlite).await;
    for bytes in [
        b"{\"username\": \"\xff\", \"email\": \"a@example.com\"}".to_vec(),
        b"{\"username\": \"\xc0\xaf\", \"email\": \"a@example.com\"}".to_vec(),
        "{\"username\": \"x\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        (0..=255).collect(),
    ] {
        app.send_text(Method::POST, "/users", bytes).await.problem(400, "malformed_body");
    }
    let header = reqwest::header::HeaderValue::from_bytes(b"application/json; x=\xff").unwrap();
    let request = app.request(Method::POST, "/users").header("content-type", header).body("{}");
    // A type that is no text is none.
    send(request).await.problem(415, "unsupported_media_type");
    assert_eq!(app.get("/users").await.expect(200), json!([]));
}
