//! What one client may do, over real HTTP: headers, refusals, and who is whom.

use reqwest::Method;
use serde_json::json;

use crate::{
    app::{Answer, TestApp, send},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    creations_have_a_limit,
    no_client_gets_another_limit_by_what_it_writes,
    a_proxy_and_this_machine_are_no_clients,
    known_codes_are_never_limited,
    uploads_have_a_limit,
    switched_off_no_client_is_limited,
);

/// The service behind a proxy on this machine that tests pose as.
pub(crate) const BEHIND_A_PROXY: [(&str, &str); 2] =
    [("TRUSTED_PROXY_HEADER", "x-forwarded-for"), ("TRUSTED_PROXIES", "127.0.0.1")];
/// Requests that no limit of these tests allows.
const MANY: usize = 12;

/// Creates a user from this address.
pub(crate) async fn create(app: &TestApp, from: &str) -> Answer {
    let name = format!("u{:016x}", rand::random::<u64>());
    let body = json!({"username": name, "email": format!("{name}@example.com")});
    send(app.request(Method::POST, "/users").header("x-forwarded-for", from).json(&body)).await
}

/// Asks for a path from this address.
pub(crate) async fn get(app: &TestApp, path: &str, from: &str) -> Answer {
    send(app.request(Method::GET, path).header("x-forwarded-for", from)).await
}

async fn app(kind: Kind, more: &[(&str, &str)]) -> TestApp {
    let small = [("LIMIT_CREATIONS", "2/min+4")];
    TestApp::start_with(kind, &[&BEHIND_A_PROXY[..], &small, more].concat()).await
}

/// Creates until that is refused; the first answer and the refusal.
async fn use_up(app: &TestApp, from: &str) -> (Answer, Answer) {
    let first = create(app, from).await;
    for _ in 0..MANY {
        let answer = create(app, from).await;
        if answer.status != 201 {
            return (first, answer);
        }
    }
    panic!("{MANY} creations were not too many");
}

async fn creations_have_a_limit(kind: Kind) {
    let app = app(kind, &[]).await;
    let (first, refused) = use_up(&app, "203.0.113.1").await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.header("ratelimit-policy"), Some("\"creations\";q=2;w=60"));
    let standing = first.header("ratelimit").expect("it is there");
    assert!(standing.starts_with("\"creations\";r=") && standing.contains(";t="), "{standing}");
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"creations\";q=2;w=60"));
    assert!(refused.header("ratelimit").unwrap().starts_with("\"creations\";r=0;t="), "{refused:?}");
    let wait: u32 = refused.header("retry-after").expect("it says when").parse().expect("in seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(create(&app, "203.0.113.2").await.status, 201, "another client");
    assert_eq!(get(&app, "/users", "203.0.113.1").await.header("ratelimit"), None, "reading is not limited");
    // Of an IPv6 address the network counts.
    use_up(&app, "2001:db8::1").await;
    assert_eq!(create(&app, "2001:db8::ffff").await.status, 429);
    assert_eq!(create(&app, "2001:db8:0:1::1").await.status, 201);
    assert!(app.metric("buoy_limited_total").await >= 3.0);
    let lines = app.server.lines().join("\n");
    assert!(!lines.contains("203.0.113") && !lines.contains("2001:db8"), "addresses are not logged");
}

async fn no_client_gets_another_limit_by_what_it_writes(kind: Kind) {
    let app = app(kind, &[]).await;
    use_up(&app, "203.0.113.1").await;
    for index in 0..MANY {
        let forged = format!("198.51.100.{index}, 127.0.0.1, 203.0.113.1");
        assert_eq!(create(&app, &forged).await.status, 429, "{forged}");
    }
    // If no proxy is trusted, the header counts for nothing.
    let small = [("LIMITS", "on"), ("LIMIT_CREATIONS", "1/h+4")];
    let app = TestApp::start_with(kind, &small).await;
    let mut admitted = 0;
    for index in 0..MANY {
        admitted += usize::from(create(&app, &format!("198.51.100.{index}")).await.status == 201);
    }
    assert_eq!(admitted, 4);
}

async fn a_proxy_and_this_machine_are_no_clients(kind: Kind) {
    let behind = app(kind, &[("LIMITS", "on")]).await;
    let direct = TestApp::start_with(kind, &[("LIMIT_CREATIONS", "1/h+1")]).await;
    for index in 0..MANY {
        let body = json!({"username": format!("u{index}"), "email": format!("u{index}@example.com")});
        for app in [&behind, &direct] {
            let answer = app.post("/users", &body).await;
            assert_eq!((answer.status, answer.header("ratelimit")), (201, None), "{answer:?}");
        }
        assert_eq!(create(&behind, "127.0.0.1, 127.0.0.1").await.status, 201, "proxies alone");
    }
}

async fn known_codes_are_never_limited(kind: Kind) {
    let app = app(kind, &[("LIMIT_UNKNOWN_CODES", "1/h+4")]).await;
    let owner = app.user("ann").await;
    let known = format!("/{}", app.url(owner, "https://example.com").await["short_code"].as_str().unwrap());
    let late = format!("/{}", app.url(owner, "https://example.com/late").await["short_code"].as_str().unwrap());
    let first = get(&app, "/nothing0", "203.0.113.1").await;
    first.problem(404, "url_not_found");
    assert_eq!(first.header("ratelimit-policy"), Some("\"unknown_codes\";q=1;w=3600"));
    let mut unknown = 1;
    for index in 1..MANY {
        let answer = get(&app, &format!("/nothing{index}"), "203.0.113.1").await;
        unknown += usize::from(answer.status == 404);
        let followed = get(&app, &known, "203.0.113.1").await;
        assert_eq!((followed.status, followed.header("ratelimit")), (302, None), "{followed:?}");
    }
    assert_eq!(unknown, 4);
    get(&app, "/nothing0", "203.0.113.1").await.problem(429, "rate_limited");
    // One that memory did not know either.
    assert_eq!(get(&app, &late, "203.0.113.1").await.status, 302);
    assert_eq!(get(&app, "/nothing", "203.0.113.2").await.status, 404, "another client");
    assert_eq!(create(&app, "203.0.113.1").await.status, 201, "another limit");
}

async fn uploads_have_a_limit(kind: Kind) {
    let app = app(kind, &[("LIMIT_BULK", "1/h+1")]).await;
    let upload = async || {
        let part = reqwest::multipart::Part::text("username,email\nann,ann@example.com\n").file_name("users.csv");
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = app.request(Method::POST, "/users/bulk").header("x-forwarded-for", "203.0.113.1");
        send(request.multipart(form)).await
    };
    let first = upload().await;
    assert_eq!((first.status, first.header("ratelimit-policy")), (201, Some("\"bulk\";q=1;w=3600")), "{first:?}");
    upload().await.problem(429, "rate_limited");
}

async fn switched_off_no_client_is_limited(kind: Kind) {
    let app = app(kind, &[("LIMITS", "off")]).await;
    for _ in 0..MANY {
        let answer = create(&app, "203.0.113.1").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (201, None));
    }
}
