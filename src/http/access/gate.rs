//! The gate: finds out who calls before anything else of a request is looked at.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, HOST, ORIGIN, WWW_AUTHENTICATE},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::table::{Need, need};
use crate::{
    domain::{Caller, HostNames, Scope, Secret},
    http::{Error, error::NO_STORE, limits, middleware::FIRST_ATTEMPT, server::UnencodedTarget},
    state::AppState,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses who may not use a route; tells the handler, and the request's log line, who may.
pub async fn gate(State(app): State<AppState>, request: Request, next: Next) -> Response {
    // Taken apart first: a body is not to be shared between threads while the database is asked.
    let (parts, body) = request.into_parts();
    let caller = match admit(&app, &parts).await {
        Ok(caller) => caller,
        Err(error) => return refusal(error),
    };
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
    response
}

async fn admit(app: &AppState, request: &Parts) -> Result<Caller, Error> {
    if request.extensions.get::<UnencodedTarget>().is_some() {
        let detail = "The target of the request holds bytes that must be percent-encoded";
        return Err(Error::new(StatusCode::BAD_REQUEST, "malformed_target", detail));
    }
    if let Some(hosts) = app.access.open_under() {
        return own_site(hosts, request).map(|()| Caller::Open);
    }
    let caller = match bearer(&request.headers) {
        Ok(token) => by_token(app, request, token).await?,
        // Who brings nothing has tried nothing.
        Err(unauthorized) if !request.headers.contains_key(AUTHORIZATION) => return Err(unauthorized),
        Err(unauthorized) => return Err(failed(app, request, unauthorized)),
    };
    let caller = caller.ok_or_else(|| failed(app, request, invalid()))?;
    let route = request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    allowed(caller, &request.method, route).map(|()| caller)
}

/// The caller that has this token or key. A client that sent too many wrong ones may not try a token that can be
/// guessed. A key cannot be guessed: one with the right checksum is always looked up, so that no failure of strangers
/// keeps a good one out.
async fn by_token(app: &AppState, request: &Parts, token: &str) -> Result<Option<Caller>, Error> {
    let secret = Secret::parse(token);
    if secret.is_none() && app.access.is_guessable() {
        limits::may_guess(app, &request.extensions, &request.headers)?;
    }
    if app.access.is_admin(token) {
        return Ok(Some(Caller::Admin));
    }
    let Some(secret) = secret else { return Ok(None) };
    app.availability.first_attempt(FIRST_ATTEMPT).await;
    let asked = app.access.holder(&secret, app.store()?, &app.clock);
    match tokio::time::timeout(app.settings.request_timeout, asked).await {
        Ok(holder) => Ok(holder?.map(Caller::Key)),
        Err(_) => Err(Error::too_slow()),
    }
}

/// The answer if credentials were missing or wrong: that, or 429 if it was one too many.
fn failed(app: &AppState, request: &Parts, unauthorized: Error) -> Error {
    limits::failed_credentials(app, (&request.extensions, &request.headers), unauthorized)
}

/// Refuses what a scope does not reach. It is the same for what exists and what does not, so it tells nothing of
/// either.
fn allowed(caller: Caller, method: &Method, route: &str) -> Result<(), Error> {
    let scope = match need(method, route) {
        Need::Nothing => return Ok(()),
        Need::Scope(scope) => scope,
        Need::Admin => Scope::Admin,
    };
    if caller.may(scope) {
        return Ok(());
    }
    Err(Error::new(StatusCode::FORBIDDEN, "scope_missing", format!("This needs a key with the scope {}", scope.name())))
}

/// The token of `Authorization: Bearer`, of which there is exactly one.
fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        let detail = "This needs Authorization: Bearer with a key or the administrator's token";
        return Err(Error::new(StatusCode::UNAUTHORIZED, "credentials_required", detail));
    };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(invalid)?;
    if given.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    Ok(token.trim())
}

/// Refuses requests that a foreign web page makes a browser send, by the names in them.
fn own_site(hosts: &HostNames, request: &Parts) -> Result<(), Error> {
    let headers = &request.headers;
    // A request without a host (HTTP/1.0) comes from no browser.
    let asked = match headers.get(HOST) {
        None => request.uri.authority().map_or("localhost", |authority| authority.as_str()),
        Some(host) => host.to_str().unwrap_or_default(),
    };
    if !hosts.know(asked) {
        let detail = "The API is open, and this is not one of its names: ALLOWED_HOSTS lists them";
        return Err(Error::new(StatusCode::FORBIDDEN, "foreign_host", detail));
    }
    let own = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| hosts.own(origin, asked));
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let is_cross_site = headers.get_all(SEC_FETCH_SITE).iter().any(|site| site == "cross-site");
    if (is_cross_site && !is_read) || !headers.get_all(ORIGIN).iter().all(own) {
        let detail = "The API is open, and pages of other sites may not use it";
        return Err(Error::new(StatusCode::FORBIDDEN, "foreign_origin", detail));
    }
    Ok(())
}

/// One answer for what is malformed, unknown, expired and revoked: which it was helps only who guesses.
fn invalid() -> Error {
    let detail = "These credentials are not valid: unknown, malformed, expired or revoked";
    Error::new(StatusCode::UNAUTHORIZED, "credentials_invalid", detail)
}

/// The answer to who is not let in, with the scheme that would do (RFC 6750).
fn refusal(error: Error) -> Response {
    let unknown = error.status() == StatusCode::UNAUTHORIZED;
    let mut response = error.into_response();
    if unknown {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"buoy\""));
    }
    response
}
