//! What every request passes through: its id, its time limit, its log line, and the headers every answer has.

use std::{any::Any, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;

use super::{Error, error::Cause};
use crate::{
    db::StoreError,
    domain::Caller,
    state::{AppState, FIRST_ATTEMPT},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REPLICA: HeaderName = HeaderName::from_static("x-replica");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The target of request lines: `LOG_LEVEL=info,buoy::request=warn` keeps those of 5xx alone.
const REQUEST_LINES: &str = "buoy::request";
/// The target of redirects answered from the cache, at `debug`: `LOG_LEVEL=info,buoy::redirect=debug` logs each.
const REDIRECT_LINES: &str = "buoy::redirect";
/// Letters of a method that a line holds: a client may invent long ones.
const METHOD_LETTERS: usize = 32;

/// Gives the request an id, answers it, adds the headers that every answer has, and writes its log line.
pub async fn envelope(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    // The route as it was declared, never the path, which is the client's and of any length.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    Envelope { started, id, method: &method, route, cached: false }.close(&app, response)
}

/// What is known of a request before it is answered.
pub(super) struct Envelope<'a> {
    started: Instant,
    id: HeaderValue,
    method: &'a Method,
    route: &'a str,
    /// Whether the answer is a redirect from the cache.
    cached: bool,
}

impl<'a> Envelope<'a> {
    /// For a redirect from the cache.
    pub(super) fn cached(method: &'a Method, headers: &HeaderMap, route: &'a str) -> Self {
        Self { started: Instant::now(), id: request_id(headers), method, route, cached: true }
    }

    /// Adds the headers that every answer has, counts the request, and writes its log line.
    pub(super) fn close(self, app: &AppState, mut response: Response) -> Response {
        let Self { started, id, method, route, cached } = self;
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(REQUEST_ID, id);
        headers.insert(REPLICA, app.replica.clone());
        if app.draining.is_cancelled() {
            // Tells the proxy to open its next connection elsewhere.
            headers.insert(header::CONNECTION, CLOSE);
        }
        let took = started.elapsed();
        app.metrics.answered(method.as_str(), route, response.status().as_u16(), took);
        if cached {
            log_redirect(&response, route, took);
        } else {
            log(&response, method.as_str(), route, took);
        }
        response
    }
}

/// Refuses a request whose host is not one: proxies and this program could read it in different ways.
pub async fn one_host(request: Request, next: Next) -> Response {
    if has_one_host(&request) {
        return next.run(request).await;
    }
    let detail = "A request has exactly one Host, the same as in its target";
    Error::new(StatusCode::BAD_REQUEST, "malformed_host", detail).into_response()
}

/// Whether a request names one host alone (RFC 9112, 3.2). In HTTP/1.0 it may name none.
pub(super) fn has_one_host<B>(request: &axum::http::Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), request.uri().authority()) {
        (Some(_), None, None) => true,
        (Some(host), None, Some(asked)) => host.as_bytes().eq_ignore_ascii_case(asked.as_str().as_bytes()),
        (None, _, _) => request.version() < Version::HTTP_11,
        _ => false,
    }
}

/// Ends a request that takes too long with 503.
pub async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::too_slow().into_response(),
    }
}

/// Ends a request with 503 as soon as the database that it works with is known to be away.
pub async fn while_available(State(app): State<AppState>, request: Request, next: Next) -> Response {
    app.availability.first_attempt(FIRST_ATTEMPT).await;
    tokio::select! {
        // The answer first: if both are there, the work is done.
        biased;
        response = next.run(request) => response,
        outage = app.availability.lost() => Error::from(StoreError::Unavailable(outage.reason)).into_response(),
    }
}

/// Turns a panic in a handler into a 500; the process lives on. What it said is logged by the panic hook.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Error::internal("a handler panicked").into_response()
}

/// 404 for a path that is no route.
pub fn unknown_route() -> Error {
    Error::not_found("route_not_found", "There is nothing at this address")
}

/// 405; the router adds `Allow`.
pub async fn wrong_method() -> Error {
    Error::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not take this method")
}

/// The client's request id if it is a sane one, else a new one of 32 hexadecimal digits.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len()) && bytes.iter().fold(true, |sane, byte| sane & is_of_id(*byte))
    };
    let given = headers.get(REQUEST_ID).filter(is_sane).cloned();
    given.unwrap_or_else(|| {
        let mut id = [0; 32];
        // The digits of sixteen bytes fit.
        hex::encode_to_slice(rand::random::<[u8; 16]>(), &mut id).ok();
        HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("none"))
    })
}

/// Whether a byte may stand in a request's id.
fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_') | (byte == b'.')
}

/// Costs a comparison unless the line is asked for: the macro computes its fields only then.
fn log_redirect(response: &Response, route: &str, took: Duration) {
    tracing::debug!(
        target: REDIRECT_LINES,
        message = "request",
        http.method = "GET",
        http.route = route,
        http.status = response.status().as_u16(),
        request.id = id_of(response),
        duration_ms = milliseconds(took)
    );
}

fn log(response: &Response, method: &str, route: &str, took: Duration) {
    let status = response.status().as_u16();
    // A method is ASCII, so that a byte is a letter.
    let method = method.get(..METHOD_LETTERS).unwrap_or(method);
    let (id, duration_ms) = (id_of(response), milliseconds(took));
    let cause = response.extensions().get::<Cause>().map(|cause| cause.0.as_ref());
    // The id of the caller's key, never the key.
    let caller = response.extensions().get::<Caller>().and_then(Caller::name);
    let caller = caller.as_deref();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: REQUEST_LINES,
                message = "request",
                http.method = method,
                http.route = route,
                http.status = status,
                request.id = id,
                duration_ms,
                caller,
                cause
            )
        };
    }
    match status {
        // Passes by itself, and comes by the thousand while it lasts.
        503 => line!(warn),
        500.. => line!(error),
        _ => line!(info),
    }
}

fn id_of(response: &Response) -> Option<&str> {
    response.headers().get(REQUEST_ID)?.to_str().ok()
}

/// To the microsecond: more digits say nothing.
fn milliseconds(took: Duration) -> f64 {
    took.as_micros() as f64 / 1_000.0
}
