//! The gate: finds out who calls before anything else of a request is looked at.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::table::{Need, need};
use crate::{
    access::{ForeignSite, foreign_site},
    domain::{Caller, HostNames, Scope, Secret},
    http::{Error, error::NO_STORE, limits, server::UnencodedTarget},
    state::{AppState, SignedIn},
};

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
    let route = request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if let Some(SignedIn(caller)) = request.extensions.get() {
        return allowed(*caller, &request.method, route).map(|()| *caller);
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
    Ok(app.holder(&secret).await?)
}

/// The answer if credentials were missing or wrong: that, or 429 if it was one too many.
fn failed(app: &AppState, request: &Parts, unauthorized: Error) -> Error {
    limits::failed_credentials(app, (&request.extensions, &request.headers), unauthorized)
}

/// Refuses what a scope does not reach. It is the same for what exists and what does not, so it tells nothing of
/// either.
fn allowed(caller: Caller, method: &Method, route: &str) -> Result<(), Error> {
    let scope = match need(method, route) {
        Need::Nothing | Need::Credentials => return Ok(()),
        Need::Scope(scope) => scope,
        Need::Admin => Scope::Admin,
    };
    if caller.may(scope) {
        return Ok(());
    }
    Err(Error::new(StatusCode::FORBIDDEN, "scope_missing", format!("This needs a key with the scope {}", scope.name())))
}

/// The token of `Authorization: Bearer`, of which there is exactly one.
pub(in crate::http) fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
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
    let (code, detail) = match foreign_site(hosts, request) {
        None => return Ok(()),
        Some(ForeignSite::Host) => {
            ("foreign_host", "The API is open, and this is not one of its names: ALLOWED_HOSTS lists them")
        }
        Some(ForeignSite::Origin) => ("foreign_origin", "The API is open, and pages of other sites may not use it"),
    };
    Err(Error::new(StatusCode::FORBIDDEN, code, detail))
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
