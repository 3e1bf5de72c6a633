//! What holds for every route: the error shape, methods, HEAD, headers, bodies and their limits.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(health_and_readiness, head_works_wherever_get_does);

/// Each path of the contract, and the methods it takes beside OPTIONS.
const ROUTES: &[(&str, &[&str])] = &[
    ("/health", &["GET", "HEAD"]),
    ("/ready", &["GET", "HEAD"]),
    ("/users", &["GET", "HEAD", "POST"]),
    ("/users/1", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/urls", &["GET", "HEAD", "POST"]),
    ("/urls/1", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/urls/chosen/redirect", &["GET", "HEAD"]),
    ("/events", &["GET", "HEAD", "POST"]),
    ("/events/1", &["GET", "HEAD"]),
    ("/users/bulk", &["POST"]),
    ("/urls/bulk", &["POST"]),
    ("/events/bulk", &["POST"]),
    ("/replicas", &["GET", "HEAD"]),
    ("/metrics", &["GET", "HEAD"]),
    ("/me", &["GET", "HEAD"]),
    ("/openapi.json", &["GET", "HEAD"]),
    ("/chosen", &["GET", "HEAD"]),
];

/// Every route that takes a body.
const BODIES: &[(&str, &str)] = &[
    ("POST", "/users"),
    ("PUT", "/users/1"),
    ("PATCH", "/users/1"),
    ("POST", "/urls"),
    ("PUT", "/urls/1"),
    ("PATCH", "/urls/1"),
    ("POST", "/events"),
];

/// The service with one user, one link of the code `chosen` and one event, each with the id 1.
async fn furnished(kind: Kind) -> TestApp {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let body = json!({"user_id": user, "original_url": "https://example.com", "short_code": "chosen"});
    assert_eq!(app.post("/urls", &body).await.expect(201)["id"], 1);
    app
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

async fn health_and_readiness(kind: Kind) {
    let app = TestApp::start(kind).await;
    assert_eq!(app.get("/health").await.expect(200)["status"], "ok");
    let ready = app.get("/ready").await.expect(200);
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["checks"]["database"]["status"], "ok");
    assert_eq!(ready["checks"]["shutdown"]["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_routes_have_the_error_shape() {
    let app = TestApp::start(Kind::Sqlite).await;
    for path in ["/", "/users/1/links", "/a/b", "/urls/1/2/3", "/users/", "/.well-known/x", "/urls/x/redirect/"] {
        for name in ["GET", "POST", "DELETE"] {
            let answer = send(app.request(method(name), path)).await;
            assert_eq!(answer.status, 404, "{name} {path}: {answer:?}");
            answer.problem(404, "route_not_found");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_methods_have_the_error_shape_and_allow() {
    let app = furnished(Kind::Sqlite).await;
    for (path, methods) in ROUTES {
        for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if methods.contains(&name) {
                continue;
            }
            let answer = send(app.request(method(name), path)).await;
            match name {
                "HEAD" => assert_eq!((answer.status, answer.body.as_str()), (405, "")),
                _ => drop(answer.problem(405, "method_not_allowed")),
            }
            let allowed: BTreeSet<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
            assert_eq!(allowed, methods.iter().copied().collect(), "{name} {path}");
        }
    }
}

async fn head_works_wherever_get_does(kind: Kind) {
    let app = furnished(kind).await;
    for (path, _) in ROUTES {
        let (get, head) = (app.get(path).await, app.head(path).await);
        assert_eq!((get.status, head.body.as_str()), (head.status, ""), "{path}");
        for name in ["content-type", "location", "cache-control", "link", "allow"] {
            assert_eq!(get.header(name), head.header(name), "{path}: {name}");
        }
    }
    let head = app.head("/urls?page=1&count=true").await;
    assert_eq!((head.status, head.header("x-total-count")), (200, Some("1")));
    assert_eq!(app.head("/users/7").await.status, 404);
    assert_eq!(app.head("/users?page=0").await.status, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_ids_are_taken_or_made() {
    let app = TestApp::start(Kind::Sqlite).await;
    let asked = async |id: &str| {
        let answer = send(app.request(Method::GET, "/health").header("x-request-id", id)).await;
        answer.header("x-request-id").unwrap().to_owned()
    };
    let longest = "x".repeat(128);
    for sane in ["abc", "6f1c1bd2-7a3c-4c1e-9f6f-0a4a5b0e1b1a", "a.b_c", longest.as_str()] {
        assert_eq!(asked(sane).await, sane);
    }
    let mut made = BTreeSet::new();
    for strange in ["", "a b", "a\"b", "{}", "x\u{e9}", &"x".repeat(129)] {
        let id = asked(strange).await;
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        made.insert(id);
    }
    assert_eq!(made.len(), 6, "each is another");
    // Failures have one as well.
    assert!(app.get("/no/such/route").await.header("x-request-id").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_the_headers_of_all() {
    let app = furnished(Kind::Sqlite).await;
    let mut answers: Vec<Answer> = vec![app.get("/no/such/route").await, app.get("/users/77").await];
    for (path, _) in ROUTES {
        answers.push(app.get(path).await);
        answers.push(send(app.request(method("BREW"), path)).await);
    }
    answers.push(app.delete("/users/77").await);
    for answer in answers {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        assert_eq!((answer.header("server"), answer.header("x-powered-by")), (None, None), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_json_object_are_refused() {
    let app = furnished(Kind::Sqlite).await;
    for (name, path) in BODIES {
        for body in ["", " ", "word", "\"word\"", "7", "[]", "[1,2]", "null", "true", "{", "{}}", "{'a':1}", "{\"a\"}"]
        {
            let answer = app.send_text(method(name), path, body).await;
            answer.problem(400, "malformed_body");
        }
        let answer = send(app.request(method(name), path)).await;
        answer.problem(400, "malformed_body");
    }
    for (path, _) in [("/users", ()), ("/urls", ()), ("/events", ())] {
        for body in ["word", "7", "[]", "null", "{"] {
            app.send_text(Method::GET, path, body).await.problem(400, "malformed_body");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_a_route_does_not_have_are_refused() {
    let app = furnished(Kind::Sqlite).await;
    let document = app.get("/openapi.json").await.expect(200);
    for (path, methods) in document["paths"].as_object().unwrap() {
        if ["/health", "/ready", "/{short_code}", "/urls/{id}/redirect"].contains(&path.as_str()) {
            continue;
        }
        let path = path.replace("{id}", "1").replace("{key_id}", "1");
        for name in methods.as_object().unwrap().keys() {
            let answer = app.send_text(method(&name.to_uppercase()), &format!("{path}?colour=blue"), "{}").await;
            assert_eq!(answer.refused_fields(), ["colour"], "{name} {path}");
        }
    }
    for (query, said) in [
        ("/urls?userid=2", "userid is not known here: user_id was probably meant"),
        ("/events?type=click", "type is not known here: event_type was probably meant"),
        ("/stats?user_id=2", "user_id is not known here, which takes from, to, unit, tz, top"),
        ("/users/1?page=1", "page is not known here, which takes none"),
    ] {
        assert_eq!(app.get(query).await.problem(422, "invalid_fields")["detail"], said, "{query}");
    }
    let long = "x".repeat(10_000);
    assert_eq!(app.get(&format!("/urls?{long}=1")).await.refused_fields(), ["x".repeat(64)]);
    assert_eq!(app.head("/urls?userid=2").await.status, 422);
    assert_eq!(app.get("/urls?user_id=1&%75ser_id=1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_and_probes_send_any_query() {
    let app = furnished(Kind::Sqlite).await;
    for (path, status) in
        [("/chosen", 302), ("/urls/chosen/redirect", 302), ("/health", 200), ("/ready", 200), ("/openapi.json", 200)]
    {
        assert_eq!(app.get(&format!("{path}?utm_source=mail&fbclid=1&page=0")).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_a_body_does_not_have_are_refused_beside_its_other_faults() {
    let app = furnished(Kind::Sqlite).await;
    for (name, path) in BODIES {
        let body = json!({"colour": "blue", "": 1, "url_id": [], "user_id": [], "title": 7, "email": 7}).to_string();
        let refused = app.send_text(method(name), path, body).await.refused_fields();
        assert!(
            refused.contains(&"colour".to_owned()) && refused.contains(&String::new()),
            "{name} {path}: {refused:?}"
        );
        assert!(refused.len() > 2, "{name} {path}: {refused:?}");
    }
    let body = json!({"user_id": 1, "original_url": "https://example.com", "code": "x"});
    let refused = app.post("/urls", &body).await.problem(422, "invalid_fields");
    assert_eq!(refused["detail"], "code is not known here: short_code was probably meant");
    let many: serde_json::Map<_, _> = (0..1_000).map(|i| (format!("x{i}"), json!(i))).collect();
    assert_eq!(app.post("/users", &many.into()).await.refused_fields().len(), 22, "20, and the two that are missing");
    assert_eq!(app.get("/urls?count=true").await.header("x-total-count"), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_may_be_sent_back_but_not_changed() {
    let app = furnished(Kind::Sqlite).await;
    for (path, field, fixed) in [
        ("/urls/1", "title", ["short_code", "user_id", "short_url"]),
        ("/users/1", "email", ["id", "created_at", "id"]),
    ] {
        let mut read = app.get(path).await.expect(200);
        read[field] = json!("new@example.com");
        for _ in 0..2 {
            assert_eq!(app.put(path, &read).await.expect(200)[field], "new@example.com");
        }
        for name in fixed {
            let refused = app.put(path, &json!({ name: "other" })).await.problem(422, "invalid_fields");
            assert_eq!(refused["errors"][name], "cannot be changed", "{path} {name}");
        }
    }
    app.put("/urls/77", &json!({"short_code": "x"})).await.problem(422, "invalid_fields");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_content_types_are_refused() {
    let app = furnished(Kind::Sqlite).await;
    let typed = async |name: &str, path: &str, content_type: &str| {
        send(app.request(method(name), path).header("content-type", content_type).body("{\"title\": \"x\"}")).await
    };
    for (name, path) in BODIES {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense", ""] {
            typed(name, path, content_type).await.problem(415, "unsupported_media_type");
        }
        let answer = send(app.request(method(name), path).body("{}")).await;
        answer.problem(415, "unsupported_media_type");
    }
    typed("GET", "/urls", "text/plain").await.problem(415, "unsupported_media_type");
    for content_type in
        ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]
    {
        typed("PUT", "/urls/1", content_type).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_have_a_limit() {
    const LIMIT: usize = 1024 * 1024;
    let app = furnished(Kind::Sqlite).await;
    let padded = |bytes: usize| format!("{{\"title\": \"x\"{}}}", " ".repeat(bytes - 14));
    app.send_text(Method::PUT, "/urls/1", padded(LIMIT)).await.expect(200);
    for (name, path) in BODIES {
        app.send_text(method(name), path, padded(LIMIT + 1)).await.problem(413, "body_too_large");
    }
    // Sent in pieces, without a length.
    let pieces = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; LIMIT / 10])));
    let endless = app.send_text(Method::POST, "/users", reqwest::Body::wrap_stream(pieces)).await;
    endless.problem(413, "body_too_large");
    app.send_text(Method::GET, "/urls", padded(LIMIT + 1)).await.problem(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_is_served_from_here() {
    let app = TestApp::start(Kind::Sqlite).await;
    let document: Value = app.get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut page = app.get("/docs").await;
    while let Some(location) = page.header("location").map(ToOwned::to_owned) {
        page = app.get(&location).await;
    }
    assert_eq!(page.status, 200);
    let foreign = page.body.split(['"', '\'']).find(|part| part.starts_with("http") || part.starts_with("//"));
    assert_eq!(foreign, None, "the page takes nothing from another host");
}
