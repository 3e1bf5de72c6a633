//! What cannot be brought about from outside: a handler that panics, one that never ends.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Extensions, HeaderMap, HeaderValue, StatusCode, header},
    middleware::from_fn_with_state,
    response::Response,
    routing::get,
};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Error, client_address::PeerAddress, enclosed, limits, middleware};
use crate::{
    access::{Access, AccessSettings},
    cache::{CacheSettings, LinkCache, sync::CacheSync},
    clicks::{self, ClickSettings, Durability},
    db::{Store, StoreSettings},
    domain::{Clock, HostNames, LimitMode, RateLimit},
    fleet::Monitor,
    limits::{Exclusive, LimitSettings, Limits, Load},
    metrics::RequestMetrics,
    outbound::Titles,
    state::{AppState, HttpSettings, KeysAtWork, Shared},
    visitors::{VisitorSettings, Visitors},
};

const SECOND: Duration = Duration::from_secs(1);

/// One token for each client.
fn one_at_once() -> Limits {
    let limit = RateLimit { tokens: 1, window: Duration::from_secs(60), burst: 1 };
    let settings = LimitSettings {
        mode: LimitMode::Auto,
        creations: limit,
        bulk: limit,
        failed_credentials: limit,
        unknown_codes: limit,
    };
    Limits::new(settings)
}

const CLICKS: ClickSettings =
    ClickSettings { flush_after: SECOND, queue_bytes: 1, durability: Durability::Buffered, kept_days: None };

/// The handles of a service on a database of its own, in memory.
async fn state() -> AppState {
    let settings = StoreSettings { pool_size: 1, ..StoreSettings::of("sqlite::memory:".parse().unwrap()) };
    let store = Store::open(&settings).await.unwrap();
    let cache = Arc::new(LinkCache::new(CacheSettings { capacity: 10, stale_if_error: SECOND }, 1));
    let observer = Arc::new(CacheSync::new(Arc::clone(&cache), "test".to_owned(), String::new));
    let (_, availability) = Monitor::new(&store, observer);
    let clock = Clock::system();
    let access = AccessSettings { admin_token: None, open_api: false, allowed_hosts: HostNames::default() };
    let shared = Shared {
        availability,
        cache,
        access: Access::new(&access),
        metrics: RequestMetrics::default(),
        visitors: Visitors::open(&VisitorSettings::default()).unwrap(),
        clicks: clicks::channel(CLICKS).0,
        feed: Default::default(),
        titles: Titles::off(),
        settings: HttpSettings {
            request_timeout: SECOND,
            bulk_timeout: SECOND,
            body_limit: 1024,
            bulk_limit: 1024,
            ..HttpSettings::default()
        },
        replica: HeaderValue::from_static("test"),
        started_at: clock.now(),
        clock,
        draining: CancellationToken::new(),
        uploads: Arc::new(Semaphore::new(1)),
        limits: one_at_once(),
        listing: Exclusive::default(),
        creating: Exclusive::default(),
        load: Load::new(1),
        keys_at_work: KeysAtWork::default(),
    };
    AppState::new(store, shared)
}

async fn ask(router: &Router, path: &str) -> Response {
    router
        .clone()
        .oneshot(Request::get(path).header(header::HOST, "localhost").body(Body::empty()).unwrap())
        .await
        .unwrap()
}

/// The code of a failure, which must have the one shape and every header.
async fn code_of(response: Response) -> String {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(response.headers().contains_key("x-request-id"));
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["error"], body["detail"]);
    assert!(!body.to_string().contains("secret"), "{body}");
    body["code"].as_str().unwrap().to_owned()
}

async fn panics() -> &'static str {
    panic!("a secret")
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500_and_the_next_request_is_served() {
    let routes = Router::new().route("/panics", get(panics)).route("/works", get(|| async { "yes" }));
    let router = enclosed(routes, state().await);
    for _ in 0..2 {
        let failed = ask(&router, "/panics").await;
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(code_of(failed).await, "internal_error");
        assert_eq!(ask(&router, "/works").await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_handler_that_never_ends_is_a_503() {
    let limit = from_fn_with_state(Duration::from_millis(10), middleware::time_limit);
    let never = || async { std::future::pending::<&'static str>().await };
    let router = enclosed(Router::new().route("/never", get(never)).layer(limit), state().await);
    let ended = ask(&router, "/never").await;
    assert_eq!(ended.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(ended.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(code_of(ended).await, "request_timeout");
}

#[tokio::test]
async fn no_token_is_guessed_once_too_many_were_wrong() {
    let app = state().await;
    let from = |address: &str| {
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddress(address.parse().unwrap()));
        extensions
    };
    let (client, other, headers) = (from("203.0.113.1"), from("203.0.113.2"), HeaderMap::new());
    let may_guess = |sender: &Extensions| limits::may_guess(&app, sender, &headers);
    let wrong = |sender: &Extensions| {
        let unauthorized = Error::new(StatusCode::UNAUTHORIZED, "unauthorized", "The key is not valid");
        limits::failed_credentials(&app, (sender, &headers), unauthorized).status()
    };
    // Those that are right cost nothing.
    assert!((0..10).all(|_| may_guess(&client).is_ok()));
    assert_eq!((wrong(&client), wrong(&client)), (StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(may_guess(&client).unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(may_guess(&other).is_ok());
    let here = from("127.0.0.1");
    assert!((0..10).all(|_| wrong(&here) == StatusCode::UNAUTHORIZED && may_guess(&here).is_ok()));
}
