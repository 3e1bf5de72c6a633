//! What stands before the pages: who asks, whether another site's page does, and the headers that every page has.

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    fault::Fault,
    frame::{Frame, Section, show_fault},
    posted::address,
    session::{Credential, Session},
    visit::{Api, Visit},
};
use crate::{
    access::{SEC_FETCH_SITE, foreign_site},
    domain::Caller,
    state::AppState,
};

/// Nothing but this service's own files, and none of them inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Refuses what another site's page sends, and adds what every page has.
pub(super) async fn own_pages(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if is_read || is_same_origin(request.headers()) {
        next.run(request).await
    } else {
        let detail = "Pages of other sites may not act in the console";
        show_fault(&Fault::new(StatusCode::FORBIDDEN, "foreign_origin", detail), None)
    };
    let headers = response.headers_mut();
    add_policy(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Says what a page may load, and what it tells others.
pub(super) fn add_policy(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

/// Whether the browser says that a page of this origin sent the request. Browsers of before 2023 say it by `Origin`.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.zip(text(header::HOST)).is_some_and(|((_, asked), host)| asked.eq_ignore_ascii_case(host))
}

/// Lets in who is signed in, or anyone if the API is open; others are led to the page where they sign in.
pub(super) async fn signed_in(State((app, api)): State<(AppState, Api)>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (caller, session) = match admit(&app, &parts).await {
        Ok(Some(admitted)) => admitted,
        Ok(None) => return to_sign_in(&parts),
        Err(fault) => return show_fault(&fault, None),
    };
    let visit = Visit::new(app.clone(), api, caller, &parts);
    let headers = parts.headers.clone();
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    // A status without words is the router's own: a path or a method that is not there.
    let bare = response.status().is_client_error() && response.body().size_hint().exact() == Some(0);
    let fault = response.extensions_mut().remove::<Fault>().or_else(|| bare.then(Fault::not_found));
    if let Some(fault) = fault {
        let frame = Frame::new(&visit, Section::None);
        response = show_fault(&fault, Some(&frame));
    }
    let renewed = session.and_then(|session| session.renewed(app.clock.now())).zip(app.access.session_key());
    if let Some(cookie) = renewed.and_then(|(session, key)| session.cookie(&headers, key)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response.extensions_mut().insert(caller);
    response
}

/// Who asks, and the session that says so; none if there is no session.
async fn admit(app: &AppState, parts: &Parts) -> Result<Option<(Caller, Option<Session>)>, Fault> {
    if let Some(hosts) = app.access.open_under() {
        return match foreign_site(hosts, parts) {
            None => Ok(Some((Caller::Open, None))),
            Some(_) => {
                let detail = "This is not one of the service's names, or another site's page asks";
                Err(Fault::new(StatusCode::FORBIDDEN, "foreign_host", detail))
            }
        };
    }
    let session = app.access.session_key().and_then(|key| Session::of(&parts.headers, key, app.clock.now()));
    let Some(session) = session else { return Ok(None) };
    let caller = match &session.credential {
        Credential::Admin => Some(Caller::Admin),
        Credential::Key(secret) => app.holder(secret).await?,
    };
    Ok(caller.map(|caller| (caller, Some(session))))
}

fn to_sign_in(parts: &Parts) -> Response {
    let here = match parts.method {
        Method::GET => parts.uri.path_and_query().map_or("", |here| here.as_str()),
        _ => "",
    };
    let page = address("/console/sign-in", &[("to", if here == "/console" { "" } else { here })]);
    if parts.headers.contains_key(HX_REQUEST) {
        let page = HeaderValue::try_from(page).unwrap_or(HeaderValue::from_static("/console/sign-in"));
        return (StatusCode::UNAUTHORIZED, [(HX_REDIRECT, page)]).into_response();
    }
    Redirect::to(&page).into_response()
}
