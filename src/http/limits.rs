//! Budgets and load as clients see them: who is whose subject, the headers, 429 and 503.
//!
//! Promises: a request without a budget is not counted anywhere; a trusted proxy is never taken for a client; redirects of known codes
//! never come here. Leaves out: how tokens are counted and shared, see [`crate::limits`].

use std::{net::IpAddr, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::Instant;

use super::{Error, client_address::ClientAddress};
use crate::{
    domain::Caller,
    limits::{LimitMode, Policy, Standing, Subject},
    state::AppState,
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Whose budgets a request uses: a key's own, else those of the client's address; none where no client can be told, and by default
/// none for the administrator.
fn subject(app: &AppState, extensions: &Extensions, headers: &HeaderMap) -> Option<Subject> {
    match (extensions.get::<Caller>(), app.limits.mode()) {
        (_, LimitMode::Off) | (Some(Caller::Admin), LimitMode::Auto) => None,
        (Some(Caller::Key(holder)), _) => Some(Subject::Key(holder.id.0)),
        _ => of_client(app, &ClientAddress::read(extensions, headers, &app.settings.trust)),
    }
}

/// The subject of an address, whoever the caller is. By default this machine itself has none where the API is open.
fn of_client(app: &AppState, client: &ClientAddress) -> Option<Subject> {
    let exempt = |address: &IpAddr| match app.limits.mode() {
        LimitMode::Auto => app.access.open_under().is_some() && address.is_loopback(),
        LimitMode::On => false,
        LimitMode::Off => true,
    };
    client.own(&app.settings.trust).filter(|address| !exempt(address)).map(Subject::of_address)
}

/// Takes a token of the policy for each POST, and refuses those for whom there is none.
pub async fn creations(
    State((app, policy)): State<(AppState, Policy)>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let is_creation = request.method() == Method::POST;
    let subject = || subject(&app, request.extensions(), request.headers());
    let Some(subject) = is_creation.then(subject).flatten() else { return Ok(next.run(request).await) };
    let standing = app.limits.take(policy, subject, Instant::now()).map_err(refused)?;
    let mut response = next.run(request).await;
    response.headers_mut().extend(headers(&standing));
    Ok(response)
}

/// What to answer where a code is unknown: `not_found`, or 429 where the client's budget of unknown codes is used up.
pub fn unknown_code(app: &AppState, client: &ClientAddress, not_found: Error) -> Error {
    let Some(subject) = of_client(app, client) else { return not_found };
    match app.limits.take(Policy::UnknownCodes, subject, Instant::now()) {
        Ok(standing) => not_found.with_headers(headers(&standing)),
        Err(standing) => refused(standing),
    }
}

/// Whether credentials of this sender may be looked at: to be asked before they are compared. They count by address, since nobody
/// knows yet who is calling.
///
/// # Errors
/// 429 where too many were wrong.
pub fn may_try_credentials(app: &AppState, extensions: &Extensions, headers: &HeaderMap) -> Result<(), Error> {
    let client = ClientAddress::read(extensions, headers, &app.settings.trust);
    let Some(subject) = of_client(app, &client) else { return Ok(()) };
    app.limits.check(Policy::FailedCredentials, subject, Instant::now()).map(drop).map_err(refused)
}

/// What to answer where credentials were wrong: `unauthorized`, or 429 where that was one too many.
pub fn failed_credentials(
    app: &AppState,
    (extensions, headers): (&Extensions, &HeaderMap),
    unauthorized: Error,
) -> Error {
    let client = ClientAddress::read(extensions, headers, &app.settings.trust);
    let Some(subject) = of_client(app, &client) else { return unauthorized };
    match app.limits.take(Policy::FailedCredentials, subject, Instant::now()) {
        Ok(standing) => unauthorized.with_headers(self::headers(&standing)),
        Err(standing) => refused(standing),
    }
}

/// Gives a request its turn at the database, once its body is there: a client that sends slowly keeps nobody waiting.
pub async fn turns(State(app): State<AppState>, request: Request, next: Next) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let mut room = app.load.body();
    let body = gathered(body, app.settings.body_limit, |bytes| room.grow(bytes)).await.ok_or_else(Error::overloaded)?;
    let _turn = app.load.turn().await.ok_or_else(Error::overloaded)?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// The body, read into memory as far as `limit`, whatever is wrong with it being left for whoever reads it; none where there is no
/// room.
async fn gathered(mut body: Body, limit: usize, mut room: impl FnMut(usize) -> bool) -> Option<Body> {
    if body.is_end_stream() {
        return Some(body);
    }
    let (mut frames, mut bytes) = (Vec::new(), 0);
    while bytes <= limit {
        let frame = match body.frame().await {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => {
                frames.push(Err(error));
                break;
            }
        };
        bytes += frame.len();
        if !room(frame.len()) {
            return None;
        }
        frames.push(Ok::<Bytes, axum::Error>(frame));
    }
    Some(Body::from_stream(stream::iter(frames).chain(body.into_data_stream())))
}

/// 429, with how the client stands and when to come back.
fn refused(standing: Standing) -> Error {
    let detail = "Too many requests of this kind, please try again later";
    Error::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
        .with_retry_after(u32::try_from(seconds(standing.next)).unwrap_or(u32::MAX))
        .with_headers(headers(&standing))
}

/// `RateLimit` and `RateLimit-Policy`, as draft-ietf-httpapi-ratelimit-headers has them.
fn headers(standing: &Standing) -> HeaderMap {
    let Standing { policy, per_minute, left, next } = *standing;
    let name = policy.name();
    let values = [
        (RATE_LIMIT_POLICY, format!("\"{name}\";q={per_minute};w=60")),
        (RATE_LIMIT, format!("\"{name}\";r={left};t={}", seconds(next))),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
}

/// Whole seconds, rounded up, one at least.
fn seconds(time: Duration) -> u64 {
    (time.as_secs_f64().ceil() as u64).max(1)
}
