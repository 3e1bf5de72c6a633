//! What visitors see who follow a link that leads nowhere, and at `/`: small pages if their program prefers HTML to
//! JSON. Programs see what the API says.

use askama::Template;
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{Html, IntoResponse as _, Response},
};

use super::{assets, frame::Preferences, guard::add_policy};
use crate::state::AppState;

/// The routes by which visitors follow links; what is no route has none.
const FOLLOWED: [&str; 2] = ["/{short_code}", "/urls/{id}/redirect"];

#[derive(Template)]
#[template(path = "visitors.html")]
struct VisitorsPage<'a> {
    style: String,
    theme: &'static str,
    status: u16,
    title: &'a str,
    text: &'a str,
    has_console: bool,
}

/// Answers people with pages.
pub(super) async fn for_people(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || !prefers_html(request.headers()) || !is_visited(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let (preferences, is_home) = (Preferences::of(&parts.headers), is_home(&parts));
    let response = next.run(Request::from_parts(parts, body)).await;
    let (status, title, text) = match response.status() {
        StatusCode::NOT_FOUND if is_home => (StatusCode::OK, "buoy", "Short links that stay afloat."),
        status => match words(status) {
            Some((title, text)) => (status, title, text),
            None => return response,
        },
    };
    let style = assets::address("console.css");
    let page = VisitorsPage {
        style,
        theme: preferences.theme,
        status: status.as_u16(),
        title,
        text,
        has_console: app.settings.console,
    };
    match page.render() {
        Ok(page) => replaced(response, status, page),
        Err(_) => response,
    }
}

/// The response with a page in the place of its problem.
fn replaced(response: Response, status: StatusCode, page: String) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept"));
    let (page_parts, body) = Html(page).into_response().into_parts();
    parts.headers.extend(page_parts.headers);
    let mut response = Response::from_parts(parts, body);
    add_policy(response.headers_mut());
    response
}

/// What people are told of a status; none if the answer is left as it is.
fn words(status: StatusCode) -> Option<(&'static str, &'static str)> {
    Some(match status {
        StatusCode::NOT_FOUND => ("No such link", "This link does not exist, or not any more. Check it for a typo."),
        StatusCode::GONE => ("This link has expired", "It was made for a limited time, which is over."),
        StatusCode::TOO_MANY_REQUESTS => ("Too many tries", "Please wait a minute, then try again."),
        StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => ("Not available", "This link is disabled for legal reasons."),
        StatusCode::SERVICE_UNAVAILABLE => ("Back in a moment", "The service is busy. Please try again shortly."),
        _ => return None,
    })
}

fn is_home(request: &Parts) -> bool {
    request.uri.path() == "/"
}

fn is_visited(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_none_or(|route| FOLLOWED.contains(&route.as_str()))
}

/// Whether a client would rather have HTML than JSON.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let weight = |kind: &str| -> f32 {
        let range = accepted.split(',').map(|range| range.split(';').map(str::trim).collect::<Vec<_>>());
        let mut found = range.filter(|range| range.first().is_some_and(|name| name.eq_ignore_ascii_case(kind)));
        found.next().map_or(0.0, |range| {
            range.iter().find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0))
        })
    };
    weight("text/html") > weight("application/json").max(weight("application/problem+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_prefer_html_and_programs_do_not() {
        let prefers = |accept: &str| prefers_html(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
        assert!(prefers("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(prefers("application/json;q=0.5, text/html;q=0.7"));
        for program in ["*/*", "application/json", "application/json, text/html", "text/html;q=0", ""] {
            assert!(!prefers(program), "{program}");
        }
    }
}
