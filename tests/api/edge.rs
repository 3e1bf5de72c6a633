//! What is decided before a handler: bodies, content types, doubled headers, requests of other sites' pages.

use reqwest::Method;
use serde_json::json;

use crate::{
    app::{Answer, TestApp, send},
    common::database::Kind,
    raw::Connection,
};

#[tokio::test]
async fn a_body_of_one_byte_chunks_costs_little_more_than_its_bytes() {
    const BYTES: usize = 100_000;
    let app = TestApp::start(Kind::Sqlite).await;
    app.get("/users").await.expect(200);
    let before = app.server.peak_memory();
    let mut connection = Connection::open(&app).await;
    let head = "POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let name = "x".repeat(BYTES - 2);
    let body: String = format!("\"{name}\"").chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let answer = connection.ask(format!("{head}{body}0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("not a JSON object"), "{answer}");
    let grown = app.server.peak_memory() - before;
    assert!(grown < 3 * 1024, "{grown} KiB for {BYTES} bytes");
}

#[tokio::test]
async fn filters_in_a_body_are_bounded_and_known() {
    let app = TestApp::start(Kind::Sqlite).await;
    let large = json!({"shoe_size": "x".repeat(20_000)});
    app.get_with_body("/users", &large).await.problem(413, "body_too_large");
    let unknown = json!({"per_page": 1, "shoe_size": "x".repeat(10_000), "count": false});
    assert_eq!(app.get_with_body("/users", &unknown).await.refused_fields(), ["shoe_size"]);
    let answer = app.get_with_body("/users", &json!({"per_page": 1, "count": false})).await;
    answer.expect(200);
    assert_eq!(answer.header("link"), Some("</users?count=false&per_page=1&page=1>; rel=\"first\""));
    let long = json!({"per_page": 1, "cursor": "x".repeat(256)});
    assert_eq!(app.get_with_body("/users", &long).await.refused_fields(), ["cursor"]);
}

#[tokio::test]
async fn json_is_known_by_its_essence() {
    let app = TestApp::start(Kind::Sqlite).await;
    for (nth, (kind, status)) in [
        ("application/json", 201),
        ("application/json ;charset=utf-8", 201),
        ("Application/JSON; charset=\"utf-8\" ; x", 201),
        ("application/vnd.api+json", 201),
        ("application/jsonp", 415),
        ("text/json", 415),
        ("json", 415),
        ("", 415),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"username": format!("u{nth}"), "email": format!("u{nth}@x.example")}).to_string();
        let answer = send(app.request(Method::POST, "/users").header("content-type", kind).body(body)).await;
        assert_eq!(answer.status, status, "{kind}: {answer:?}");
    }
}

#[tokio::test]
async fn two_idempotency_keys_are_none() {
    let app = TestApp::start(Kind::Sqlite).await;
    let request = app.request(Method::POST, "/users").json(&json!({"username": "ann", "email": "ann@x.example"}));
    let answer = send(request.header("idempotency-key", "a").header("idempotency-key", "a")).await;
    answer.problem(400, "invalid_idempotency_key");
    assert_eq!(app.get("/users").await.expect(200), json!([]));
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing_in_open_mode() {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    let path = format!("/users/{user}");
    for (method, site, status) in [
        (Method::GET, "cross-site", 200),
        (Method::HEAD, "cross-site", 200),
        (Method::PUT, "cross-site", 403),
        (Method::PATCH, "cross-site", 403),
        (Method::DELETE, "cross-site", 403),
        (Method::PUT, "same-origin", 200),
        (Method::PUT, "none", 200),
        (Method::DELETE, "same-origin", 204),
    ] {
        let request = app.request(method.clone(), &path).header("sec-fetch-site", site);
        let answer = send(request.json(&json!({"username": "bob"}))).await;
        assert_eq!(answer.status, status, "{method} {site}: {answer:?}");
    }
}

/// A multipart form whose boundary is `x`.
async fn upload(app: &TestApp, body: String) -> Answer {
    let request = app.request(Method::POST, "/users/bulk").header("content-type", "multipart/form-data; boundary=x");
    send(request.body(body)).await
}

#[tokio::test]
async fn what_is_around_an_uploaded_file_is_bounded() {
    const LONG: usize = 8_000_000;
    let app = TestApp::start(Kind::Sqlite).await;
    let head = "--x\r\ncontent-disposition: form-data; name=\"file\"\r\n";
    let before = app.server.peak_memory();
    for body in [
        "x".repeat(LONG),
        format!("{head}x-endless: {}", "x".repeat(LONG)),
        format!("--x\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\n{}", "x".repeat(LONG)),
    ] {
        let mut connection = Connection::open(&app).await;
        let length = body.len();
        let request = format!(
            "POST /users/bulk HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let answer = connection.ask(request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    for (header, why) in [
        (",".repeat(4_000_000), "cannot be read: its header is longer than 64 KiB; is a quotation mark missing?"),
        (format!("username,email{}\n", ",x".repeat(99)), "its header has more than 100 columns"),
    ] {
        let refused = upload(&app, format!("{head}\r\n{header}\r\n--x--\r\n")).await.problem(422, "invalid_fields");
        assert_eq!(refused["errors"]["file"], why);
    }
    let grown = app.server.peak_memory() - before;
    assert!(grown < 12 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn an_upload_that_drips_in_blocks_no_write() {
    let app = TestApp::start(Kind::Sqlite).await;
    let mut slow = Connection::open(&app).await;
    slow.send(
        "POST /users/bulk HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n\
         content-length: 1000\r\n\r\n--x\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nusername,email\nann,a",
    )
    .await;
    // The file's first rows have arrived when the upload holds its permit.
    for nth in 0..20 {
        app.user(&format!("u{nth}")).await;
    }
    let whole =
        "--x\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nusername,email\nbob,b@x.example\n\r\n--x--\r\n";
    upload(&app, whole.to_owned()).await.expect(201);
    drop(slow);
    assert_eq!(app.get("/users").await.expect(200).as_array().unwrap().len(), 21);
}

#[tokio::test]
async fn what_programs_add_to_a_code_leads_to_its_link() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.url(app.user("ann").await, "https://example.com/a").await;
    let code = url["short_code"].as_str().unwrap();
    for added in ["", "/", ".", ")", ").", "%22!", "%3E", "%20", "%E2%80%8B", "%E2%80%A6"] {
        let answer = app.get(&format!("/{code}{added}")).await;
        assert_eq!((answer.status, answer.header("location")), (302, Some("https://example.com/a")), "{added}");
    }
    for other in ["//", "/x", "%00", "%20x", "_"] {
        let answer = app.get(&format!("/{code}{other}")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (404, Some("no-store")), "{other}");
    }
}

#[tokio::test]
async fn no_answer_of_the_api_is_kept_by_a_cache() {
    let app = TestApp::start(Kind::Sqlite).await;
    for (path, status) in
        [("/users", 200), ("/urls?page=1", 200), ("/users/1", 404), ("/users?page=0", 422), ("/none", 404)]
    {
        let answer = app.get(path).await;
        assert_eq!((answer.status, answer.header("cache-control")), (status, Some("no-store")), "{path}");
    }
}

#[tokio::test]
async fn a_known_code_that_leads_nowhere_is_no_guess() {
    let app = TestApp::start_with(Kind::Sqlite, &[("LIMITS", "on"), ("LIMIT_UNKNOWN_CODES", "1/h+1")]).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    app.put(&format!("/urls/{}", url["id"]), &json!({"is_active": false})).await.expect(200);
    for _ in 0..5 {
        app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await.problem(404, "url_not_found");
    }
    app.get("/unknown1").await.problem(404, "url_not_found");
    app.get("/unknown2").await.problem(429, "rate_limited");
}

#[tokio::test]
async fn an_international_host_is_sent_as_punycode() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.url(app.user("ann").await, "https://m\u{fc}nchen.example/\u{fc}").await;
    assert_eq!(url["original_url"], "https://m\u{fc}nchen.example/\u{fc}");
    let answer = app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await;
    assert_eq!(answer.header("location"), Some("https://xn--mnchen-3ya.example/%C3%BC"));
}
