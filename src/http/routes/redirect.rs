//! Following a link: `GET /{short_code}` and `GET /urls/{short_code}/redirect`.

use std::str::FromStr;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, header::InvalidHeaderValue},
    response::Response,
};

use crate::{
    clicks::Click,
    domain::{Invalid, ShortCode},
    http::{
        Error,
        client_address::{ClientAddress, PeerAddress},
        extract::{Named, Resource},
        limits,
        middleware::{self, Envelope},
    },
    metrics::REDIRECT_ROUTE,
    state::{AppState, FIRST_ATTEMPT},
    store::Link,
    visitors::{self, is_counted},
};

/// A redirect that a browser or the edge keeps is a click never seen, and an edit never followed.
const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");

/// Headers that an answer's map has room for at most.
const MOST_HEADERS: usize = 64;

/// A code as it is followed: what mail programs and chats add at its end, and no code can have there, is left out.
#[derive(Debug, Clone)]
pub struct Followed(ShortCode);

impl FromStr for Followed {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // Punctuation, and blanks that are not to be seen.
        let is_added = |c: char| !(c.is_alphanumeric() || c.is_control() || c == '_' || c == '-');
        ShortCode::parse(text.trim_end_matches(is_added)).map(Self)
    }
}

impl Resource for Followed {
    fn not_found() -> Error {
        ShortCode::not_found()
    }
}

/// Follows a link: 302, and one `click` event.
///
/// HEAD and prefetches are answered alike and not counted.
#[utoipa::path(
    get,
    path = "/{short_code}",
    tag = "redirects",
    params(("short_code" = ShortCode, Path)),
    responses(
        (
            status = 302,
            description = "The target",
            headers(("Location" = String, description = "The target, byte for byte")),
        ),
        (status = 451, description = "`link_disabled`: the law demands that the link leads nowhere."),
    ),
)]
pub async fn follow(
    State(app): State<AppState>,
    (method, headers): (Method, HeaderMap),
    client: ClientAddress,
    Named(Followed(code)): Named<Followed>,
) -> Result<Response, Error> {
    app.availability.first_attempt(FIRST_ATTEMPT).await;
    let link = app.link(&code).await.map_err(|error| Error::from_shared(&error))?;
    let Some(link) = link else { return Err(limits::unknown_code(&app, &client, ShortCode::not_found())) };
    if let Some(refusal) = refusal(&link) {
        // The code is known, so it does not count as a guess.
        return Err(refusal);
    }
    let answer = answer(location(&link).map_err(Error::internal)?, HeaderMap::new());
    if is_counted(&method, &headers) {
        app.clicks.record(click(&app, &link, &headers, client), &app.availability).await;
    }
    Ok(answer)
}

/// What is no route: the address of a link with a slash that some programs add, or nothing.
pub async fn follow_with_slash(
    state: State<AppState>,
    request: (Method, HeaderMap),
    client: ClientAddress,
    uri: Uri,
) -> Result<Response, Error> {
    let code = uri.path().strip_prefix('/').and_then(|path| path.strip_suffix('/'));
    let code = code.filter(|code| matches!(request.0, Method::GET | Method::HEAD) && !code.contains('/'));
    match code.and_then(|code| code.parse().ok()) {
        Some(code) => follow(state, request, client, Named(code)).await,
        None => Err(middleware::unknown_route()),
    }
}

/// Follows a cached link as [`follow`] does, without the router and its layers, which cost as much as the rest and
/// have nothing to do if nothing has to be waited for. None if the router is to answer.
pub fn cached<B>(app: &AppState, request: &mut Request<B>, peer: PeerAddress) -> Option<Response> {
    let is_simple = request.method() == Method::GET && app.clicks.is_buffered() && middleware::has_one_host(request);
    // What is no code is not in memory.
    let code = request.uri().path().strip_prefix('/').filter(|_| is_simple)?;
    let link = app.cache.at_hand(code, |link| refusal(link).is_none())?;
    // After the look-up, which finds nothing for all that the router answers.
    let envelope = Envelope::cached(&Method::GET, request.headers(), REDIRECT_ROUTE);
    let location = location(&link).ok()?;
    if is_counted(request.method(), request.headers()) {
        let client = ClientAddress::behind(Some(peer), request.headers(), &app.settings.trust);
        app.clicks.take(click(app, &link, request.headers(), client));
    }
    Some(envelope.close(app, answer(location, emptied(request.headers_mut()))))
}

/// A request's map of headers, emptied for those of its answer. The server makes the next request's of it, so that a
/// connection allocates one for all its requests. An uncommonly large one is not kept.
fn emptied(headers: &mut HeaderMap) -> HeaderMap {
    let mut headers = std::mem::take(headers);
    if headers.capacity() > MOST_HEADERS {
        return HeaderMap::new();
    }
    headers.clear();
    headers
}

fn location(link: &Link) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(link.original_url.location().as_ref())
}

fn answer(location: HeaderValue, mut headers: HeaderMap) -> Response {
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    *response.headers_mut() = headers;
    response
}

fn click(app: &AppState, link: &Link, headers: &HeaderMap, client: ClientAddress) -> Click {
    let visitor = app.visitors.read(&visitors::Request::read(headers, client.address));
    let client = app.clicks.slot(client.own(&app.settings.trust));
    Click { url_id: link.id, owner: link.user_id, at: app.clock.now(), visitor, client }
}

/// Why a link cannot be followed: 451 if the law demands it, else it is like one that is not there.
fn refusal(link: &Link) -> Option<Error> {
    match &link.disabled_reason {
        None if link.is_active => None,
        Some(reason) if reason.is_legal() => {
            let detail = "This link is disabled for legal reasons";
            Some(Error::new(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, "link_disabled", detail))
        }
        _ => Some(ShortCode::not_found()),
    }
}

/// Follows a link, under the address that older clients use.
#[utoipa::path(
    get,
    path = "/urls/{id}/redirect",
    tag = "redirects",
    params(("id" = ShortCode, Path, description = "The link's short code")),
    responses(
        (
            status = 302,
            description = "The target",
            headers(("Location" = String, description = "The target, byte for byte")),
        ),
        (status = 451, description = "`link_disabled`: the law demands that the link leads nowhere."),
    ),
)]
pub async fn follow_under_urls(
    state: State<AppState>,
    request: (Method, HeaderMap),
    address: ClientAddress,
    code: Named<Followed>,
) -> Result<Response, Error> {
    follow(state, request, address, code).await
}
