//! Following a link: `GET /{short_code}` and `GET /urls/{short_code}/redirect`.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    clicks::{Click, Request, is_counted},
    domain::ShortCode,
    http::{
        Error,
        client_address::ClientAddress,
        extract::{Named, Resource},
        limits,
        middleware::FIRST_ATTEMPT,
        openapi::{Disabled, Limited, NotFound, ServerErrors},
    },
    state::AppState,
    store::Link,
};

/// A redirect that a browser or the edge keeps is a click never seen, and an edit never followed.
const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");

/// Follows a link: 302, and one `click` event. HEAD and what is only fetched ahead are answered alike and not counted.
#[utoipa::path(get, path = "/{short_code}", tag = "redirects", params(("short_code" = ShortCode, Path)), responses(
    (status = 302, description = "The target", headers(("Location" = String, description = "The target, byte for byte"))),
    NotFound, Limited, Disabled, ServerErrors,
))]
pub async fn follow(
    State(app): State<AppState>,
    (method, headers): (Method, HeaderMap),
    client: ClientAddress,
    Named(code): Named<ShortCode>,
) -> Result<Response, Error> {
    app.availability.first_attempt(FIRST_ATTEMPT).await;
    let link =
        app.cache.link(&code, &app.store, &app.availability).await.map_err(|error| Error::from_shared(&error))?;
    let Some(link) = link else { return Err(limits::unknown_code(&app, &client, ShortCode::not_found())) };
    if let Some(refusal) = refusal(&link) {
        return Err(limits::unknown_code(&app, &client, refusal));
    }
    let location = HeaderValue::try_from(link.original_url.location().as_ref()).map_err(Error::internal)?;
    if is_counted(&method, &headers) {
        let visitor = app.visitors.read(&Request::read(&headers, client.address));
        let click = Click { url_id: link.id, owner: link.user_id, at: app.clock.now(), visitor };
        app.clicks.record(click, &app.availability).await;
    }
    Ok((StatusCode::FOUND, [(header::LOCATION, location), (header::CACHE_CONTROL, NO_STORE)]).into_response())
}

/// Why a link cannot be followed: 451 where the law demands it, else it is like one that is not there.
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

/// The same under the address that older clients use.
#[utoipa::path(get, path = "/urls/{id}/redirect", tag = "redirects",
    params(("id" = ShortCode, Path, description = "The link's short code")), responses(
    (status = 302, description = "The target", headers(("Location" = String, description = "The target, byte for byte"))),
    NotFound, Limited, Disabled, ServerErrors,
))]
pub async fn follow_under_urls(
    state: State<AppState>,
    request: (Method, HeaderMap),
    address: ClientAddress,
    code: Named<ShortCode>,
) -> Result<Response, Error> {
    follow(state, request, address, code).await
}
