//! Preferences: colours and shortcuts, kept in the browser.

use axum::{
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use cookie::{Cookie, SameSite, time::Duration};

use super::{
    frame::{SHORTCUTS, THEME},
    posted::Posted,
    session::header_value,
};

/// How long they are kept.
const DAYS: i64 = 400;

/// Keeps a preference and goes back to the page.
pub(super) async fn change(form: Posted) -> Response {
    let kept = [(THEME, &["dark", "light"][..]), (SHORTCUTS, &["off"][..])].into_iter().filter_map(|(name, values)| {
        let field = name.trim_start_matches("buoy-");
        form.has(field).then(|| {
            let value = values.iter().copied().find(|value| *value == form.text(field));
            let cookie = Cookie::build((name, value.unwrap_or_default())).path("/").http_only(true);
            let days = value.map_or(0, |_| DAYS);
            cookie.same_site(SameSite::Strict).max_age(Duration::days(days)).build()
        })
    });
    let mut response = Redirect::to(own_path(form.text("to"))).into_response();
    for cookie in kept.filter_map(|cookie| header_value(&cookie)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The address if it is a page of the console, else its first page: no form leads elsewhere.
pub(super) fn own_path(address: &str) -> &str {
    let rest = address.strip_prefix("/console");
    let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    if is_own && address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') { address } else { "/console" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_leads_elsewhere() {
        for own in ["/console", "/console?state=active", "/console/links/7/edit?a=b"] {
            assert_eq!(own_path(own), own);
        }
        for foreign in
            ["", "https://evil.example/console", "//evil.example", "/consoles", "/console\\evil", "/console/\n"]
        {
            assert_eq!(own_path(foreign), "/console", "{foreign}");
        }
    }
}
