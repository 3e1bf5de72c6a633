//! The documentation at `/docs`: what its "Try it out" sends, and the headers that it comes with.

use std::io::Read as _;

use reqwest::{
    Method,
    header::HeaderMap,
    multipart::{Form, Part},
};
use serde_json::Value;

use crate::{
    access::ADMIN,
    app::{TestApp, send},
    common::database::Kind,
};

/// Operations in an order in which each finds what it needs: creations, reads, changes, deletions.
const ORDER: [&str; 5] = ["post", "get", "put", "patch", "delete"];
/// Creations before those that need them.
const FIRST: [&str; 5] = ["/users", "/urls", "/events", "/users/{id}/keys", ""];

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    reference.map_or(value, |pointer| document.pointer(pointer).unwrap())
}

/// The value that Swagger UI fills in: the example, or else the default.
fn filled_in<'a>(document: &'a Value, described: &'a Value) -> Option<&'a Value> {
    let schema = resolve(document, &described["schema"]);
    [described.get("example"), schema.get("example"), schema.get("default")].into_iter().flatten().next()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What `Execute` sends for an operation.
fn request(app: &TestApp, document: &Value, method: &str, path: &str) -> reqwest::RequestBuilder {
    let operation = &document["paths"][path][method];
    let (mut path, mut query, mut headers) = (path.to_owned(), Vec::new(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        match (parameter["in"].as_str().unwrap(), filled_in(document, parameter)) {
            ("path", Some(value)) => path = path.replace(&format!("{{{name}}}"), &text(value)),
            ("query", Some(value)) => query.push((name, text(value))),
            ("header", Some(value)) => headers.push((name, text(value))),
            _ => {}
        }
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let request = app.request(method, &format!("{path}?{query}")).bearer_auth(ADMIN);
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let content = &operation["requestBody"]["content"];
    if let Some(body) = content.get("application/json") {
        return request.json(filled_in(document, body).unwrap());
    }
    match content.get("multipart/form-data") {
        Some(form) => {
            let file = form["example"]["file"].as_str().unwrap().to_owned();
            request.multipart(Form::new().part("file", Part::text(file).file_name("example.csv")))
        }
        None => request,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_works_in_try_it_out() {
    let app = TestApp::start_with(Kind::Sqlite, &[("ADMIN_TOKEN", ADMIN)]).await;
    let document = app.get("/openapi.json").await.expect(200);
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        operations.extend(methods.as_object().unwrap().keys().map(|method| (method.as_str(), path.as_str())));
    }
    // A stream has no end; tests/api/events_stream.rs reads it.
    operations.retain(|(_, path)| *path != "/events/stream");
    let place = |list: &[&str], word: &str| list.iter().position(|known| *known == word).unwrap_or(list.len());
    // Of deletions the innermost come first.
    operations.sort_by_key(|(method, path)| {
        let depth = if *method == "delete" { usize::MAX - path.matches('/').count() } else { 0 };
        (place(&ORDER, method), place(&FIRST, path), depth)
    });
    assert!(operations.len() > 25, "{operations:?}");
    for (method, path) in operations {
        let answer = send(request(&app, &document, method, path)).await;
        let expected = document["paths"][path][method]["responses"].as_object().unwrap().keys().next().unwrap();
        assert_eq!(answer.status.to_string(), *expected, "{method} {path}: {answer:?}");
    }
}

/// A file of the documentation for a client that takes gzip or not.
async fn file(app: &TestApp, path: &str, headers: &[(&'static str, String)]) -> (u16, HeaderMap, Vec<u8>) {
    let request = app.request(Method::GET, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.bytes().await.unwrap().to_vec())
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_is_not_framed_and_is_compressed_and_cached() {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                          connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let app = TestApp::start(Kind::Sqlite).await;
    let page = app.get("/docs/").await.body;
    let named = page.split('"').filter_map(|word| word.strip_prefix("./").or((word == "index.css").then_some(word)));
    let mut paths: Vec<String> = named.map(|name| format!("/docs/{name}")).collect();
    assert!(paths.len() >= 5, "{page}");
    // No script or style stands in the page itself, so the policy needs no exception.
    assert!(!page.contains("<style") && page.matches("<script").count() == page.matches("<script src=").count());
    paths.extend(["/docs/".to_owned(), "/openapi.json".to_owned()]);
    for path in paths {
        let (status, headers, plain) = file(&app, &path, &[]).await;
        let of = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!((status, of("content-security-policy"), of("x-frame-options")), (200, Some(POLICY), Some("DENY")));
        assert_eq!((of("x-content-type-options"), of("content-encoding")), (Some("nosniff"), None), "{path}");
        assert_eq!((of("cache-control"), of("vary")), (Some("public, max-age=300"), Some("accept-encoding")), "{path}");
        let gzip = [("accept-encoding", "br, gzip;q=0.5".to_owned())];
        let (_, packed_headers, packed) = file(&app, &path, &gzip).await;
        assert_eq!(packed_headers["content-encoding"], "gzip", "{path}");
        assert_eq!((unpacked(&packed), packed_headers.get("etag")), (plain, headers.get("etag")), "{path}");
        let known = of("etag").unwrap().to_owned();
        let (status, headers, body) = file(&app, &path, &[("if-none-match", format!("\"x\", {known}"))]).await;
        assert_eq!((status, headers["etag"].to_str().unwrap(), body.len()), (304, known.as_str(), 0), "{path}");
        assert_eq!(file(&app, &path, &[("if-none-match", "\"x\"".to_owned())]).await.0, 200, "{path}");
    }
    assert_eq!(app.get("/docs").await.header("location"), Some("/docs/"));
    app.get("/docs/nothing").await.problem(404, "route_not_found");
}
