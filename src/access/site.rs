//! Requests that a foreign web page makes a browser send, told by the names in them.

use axum::http::{
    HeaderName, HeaderValue, Method,
    header::{HOST, ORIGIN},
    request::Parts,
};

use crate::domain::HostNames;

/// Says in a browser's request how the page that sent it stands to this service.
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What about a request is another site's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignSite {
    /// The name that was asked for.
    Host,
    /// The page that sent it.
    Origin,
}

/// What about a request to an open API is another site's; none if nothing is.
pub fn foreign_site(hosts: &HostNames, request: &Parts) -> Option<ForeignSite> {
    let headers = &request.headers;
    // A request without a host (HTTP/1.0) comes from no browser.
    let asked = match headers.get(HOST) {
        None => request.uri.authority().map_or("localhost", |authority| authority.as_str()),
        Some(host) => host.to_str().unwrap_or_default(),
    };
    if !hosts.know(asked) {
        return Some(ForeignSite::Host);
    }
    let own = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| hosts.own(origin, asked));
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let is_cross_site = headers.get_all(SEC_FETCH_SITE).iter().any(|site| site == "cross-site");
    let is_foreign = (is_cross_site && !is_read) || !headers.get_all(ORIGIN).iter().all(own);
    is_foreign.then_some(ForeignSite::Origin)
}
