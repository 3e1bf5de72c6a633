//! What each route needs. The gate and the OpenAPI document both read it here.
//!
//! A route without a row is the administrator's alone, and a test fails until it has one.

use axum::http::Method;

use crate::domain::Scope;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: anyone may.
    Nothing,
    /// Credentials, whatever they allow.
    Credentials,
    /// The administrator, or a key with this scope.
    Scope(Scope),
    /// The administrator, or a key with the scope `admin`.
    Admin,
}

/// Each route with what it needs for a method. HEAD needs what GET does.
pub const TABLE: &[(&str, &str, Need)] = &[
    ("GET", "/health", Need::Nothing),
    ("GET", "/ready", Need::Nothing),
    ("GET", "/{short_code}", Need::Nothing),
    ("GET", "/urls/{id}/redirect", Need::Nothing),
    ("GET", "/me", Need::Credentials),
    ("GET", "/metrics", Need::Admin),
    ("GET", "/replicas", Need::Admin),
    ("GET", "/users", Need::Scope(Scope::LinksRead)),
    ("POST", "/users", Need::Admin),
    ("POST", "/users/bulk", Need::Admin),
    ("GET", "/users/{id}", Need::Scope(Scope::LinksRead)),
    ("PUT", "/users/{id}", Need::Admin),
    ("PATCH", "/users/{id}", Need::Admin),
    ("DELETE", "/users/{id}", Need::Admin),
    ("GET", "/users/{id}/keys", Need::Scope(Scope::LinksRead)),
    ("POST", "/users/{id}/keys", Need::Scope(Scope::LinksWrite)),
    ("DELETE", "/users/{id}/keys/{key_id}", Need::Scope(Scope::LinksWrite)),
    ("GET", "/urls", Need::Scope(Scope::LinksRead)),
    ("POST", "/urls", Need::Scope(Scope::LinksWrite)),
    ("POST", "/urls/bulk", Need::Admin),
    ("GET", "/urls/{id}", Need::Scope(Scope::LinksRead)),
    ("PUT", "/urls/{id}", Need::Scope(Scope::LinksWrite)),
    ("PATCH", "/urls/{id}", Need::Scope(Scope::LinksWrite)),
    ("DELETE", "/urls/{id}", Need::Scope(Scope::LinksWrite)),
    ("GET", "/urls/{id}/stats", Need::Scope(Scope::StatsRead)),
    ("GET", "/stats", Need::Scope(Scope::StatsRead)),
    ("GET", "/events", Need::Scope(Scope::LinksRead)),
    ("POST", "/events", Need::Scope(Scope::LinksWrite)),
    ("POST", "/events/bulk", Need::Admin),
    ("GET", "/events/stream", Need::Scope(Scope::LinksRead)),
    ("GET", "/events/{id}", Need::Scope(Scope::LinksRead)),
];

/// What a method of a route needs.
pub fn need(method: &Method, route: &str) -> Need {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    TABLE.iter().find(|row| row.0 == method && row.1 == route).map_or(Need::Admin, |row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_document_has_one_row() {
        let document = serde_json::to_value(crate::http::document()).expect("the document is JSON");
        let paths = document["paths"].as_object().expect("there are paths");
        let mut routes: Vec<(String, String)> = Vec::new();
        for (path, methods) in paths {
            let methods = methods.as_object().expect("each path has methods").keys();
            routes.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
        }
        routes.sort();
        let mut rows: Vec<(String, String)> = TABLE.iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect();
        rows.sort();
        assert_eq!(rows, routes);
    }

    #[test]
    fn what_is_not_in_the_table_is_the_administrators() {
        assert_eq!(need(&Method::POST, "/health"), Need::Admin);
        assert_eq!(need(&Method::GET, "/secret"), Need::Admin);
        assert_eq!(need(&Method::HEAD, "/urls"), Need::Scope(Scope::LinksRead));
    }
}
