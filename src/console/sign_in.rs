//! Signing in with the administrator's token or a key, and out again.

use askama::Template;
use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    assets,
    fault::Fault,
    frame::{Preferences, show_as, show_fault},
    posted::{Posted, address},
    preferences::own_path,
    session::{Credential, Session},
    visit::{Api, Origin},
};
use crate::{domain::Secret, state::AppState};

/// A path of the API that the gate guards, and behind which is nothing.
const GATE: &str = "/urls/0";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    style: String,
    theme: &'static str,
    to: &'a str,
    fault: &'a str,
}

/// The form.
pub(super) async fn page(
    State(app): State<AppState>,
    headers: axum::http::HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Posted::parse(query.unwrap_or_default().as_bytes());
    let Some(key) = app.access.session_key() else { return Redirect::to("/console").into_response() };
    if !query.has("again") && Session::of(&headers, key, app.clock.now()).is_some() && !query.has("to") {
        return Redirect::to("/console").into_response();
    }
    let lost = "The session ended, or your browser did not keep it: the console needs https, or an address of this \
                machine.";
    let fault = if query.text("to").ends_with("signed-in=1") { lost } else { "" };
    form(&Preferences::of(&headers), own_path(query.text("to")), fault, StatusCode::OK)
}

fn form(preferences: &Preferences, to: &str, fault: &str, status: StatusCode) -> Response {
    let page = SignInPage { style: assets::address("console.css"), theme: preferences.theme, to, fault };
    show_as(status, &page).unwrap_or_else(|fault| show_fault(&fault, None))
}

/// Begins a session if the gate of the API takes the token or key; its rate limit on wrong ones holds here too.
pub(super) async fn sign_in(State(app): State<AppState>, Extension(api): Extension<Api>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let origin = Origin::of(&app, &parts);
    let (headers, preferences) = (parts.headers.clone(), Preferences::of(&parts.headers));
    let form_sent = <Posted as axum::extract::FromRequest<AppState>>::from_request;
    let sent = match form_sent(Request::from_parts(parts, body), &app).await {
        Ok(sent) => sent,
        Err(fault) => return show_fault(&fault, None),
    };
    let (token, to) = (sent.text("token").trim(), own_path(sent.text("to")));
    let Some(key) = app.access.session_key() else { return Redirect::to("/console").into_response() };
    if let Err(fault) = at_gate(&api, &origin, token).await {
        return form(&preferences, to, &fault.detail, fault.status());
    }
    let credential = Secret::parse(token).map_or(Credential::Admin, Credential::Key);
    let session = Session::begin(credential, app.clock.now());
    let page = if to == "/console" { address(to, &[("signed-in", "1")]) } else { to.to_owned() };
    let mut response = Redirect::to(&page).into_response();
    if let Some(cookie) = session.cookie(&headers, key) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Whether the gate takes the token or key, whatever its scopes.
async fn at_gate(api: &Api, origin: &Origin, token: &str) -> Result<(), Fault> {
    let mut request = origin.request(Method::GET, GATE, Body::empty())?;
    let invalid = || Fault::new(StatusCode::UNAUTHORIZED, "credentials_invalid", "This token or key is not valid");
    let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| invalid())?;
    request.headers_mut().insert(header::AUTHORIZATION, value);
    let answer = api.send(request).await?;
    let fault = answer.fault();
    match answer.status {
        StatusCode::UNAUTHORIZED => Err(invalid()),
        StatusCode::NOT_FOUND => Ok(()),
        _ if fault.code == "scope_missing" => Ok(()),
        _ => Err(fault),
    }
}

/// Ends the session.
pub(super) async fn sign_out(headers: axum::http::HeaderMap) -> Response {
    let mut response = Redirect::to("/console/sign-in?again=1").into_response();
    if let Some(cookie) = Session::end(&headers) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
