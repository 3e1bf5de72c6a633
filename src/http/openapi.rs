//! The OpenAPI document: what the handlers say of themselves, and the parameters and failures that they share.

mod failures;
mod parameters;

use axum::http::Method;
use utoipa::{
    OpenApi,
    openapi::{
        HeaderBuilder, PathItem, RefOr, Server,
        path::Operation,
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

pub use self::{failures::CODES, parameters::*};
use super::{
    Problem,
    access::table::{Need, need},
};
use crate::domain::Scope;

/// The document's frame; the router adds the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "buoy",
        description = "Short links that stay afloat: users, links and events.\n\n\
                       Every failure has one shape (RFC 9457, \
                       `application/problem+json`): `code` is stable and made for programs, `detail` and `error` are \
                       made for people, `errors` names each refused field.",
    ),
    components(schemas(Problem)),
    tags(
        (name = "redirects", description = "Following links"),
        (name = "urls", description = "Links"),
        (name = "keys", description = "Keys with which programs act for a user"),
        (name = "users", description = "The owners of links"),
        (name = "stats", description = "How often links were followed"),
        (name = "events", description = "What happened to links"),
        (name = "health", description = "Liveness and readiness"),
    ),
)]
pub struct Document;

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// Adds to the handlers' operations what follows from their kind: what the gate asks, the failures that a handler
/// does not name itself, the headers of lists, and the second of two methods with one handler.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The administrator's token, or a user's key. Needed if ADMIN_TOKEN is set; otherwise the API is open.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme.build()));
    // Relative: the document is right wherever it is read.
    document.servers = Some(vec![Server::new("/")]);
    for (path, item) in &mut document.paths.paths {
        if let Some(patch) = &mut item.patch {
            patch.operation_id = patch.operation_id.as_ref().map(|id| id.replace("update", "patch"));
            patch.summary = Some("The same as PUT.".to_owned());
            patch.description = None;
        }
        let PathItem { get, post, put, patch, delete, .. } = item;
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for (method, operation) in methods.iter().zip([get, post, put, patch, delete]) {
            if let Some(operation) = operation {
                complete_operation(operation, method, path, need(method, path));
            }
        }
    }
}

fn complete_operation(operation: &mut Operation, method: &Method, path: &str, need: Need) {
    failures::complete(operation, method, path, need);
    let is_paged = operation.parameters.iter().flatten().filter_map(inline).any(|it| it.name == "per_page");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        for (name, kind, description) in headers(status, is_paged) {
            let schema = ObjectBuilder::new().schema_type(kind.clone());
            let header = HeaderBuilder::new().schema(Some(schema.build())).description(Some(*description));
            response.headers.insert((*name).to_owned(), header.build().into());
        }
    }
    let scopes = match need {
        Need::Nothing => None,
        Need::Credentials => Some(vec![]),
        Need::Scope(scope) => Some(vec![scope.name()]),
        Need::Admin => Some(vec![Scope::Admin.name()]),
    };
    // The empty requirement: while the API is open, it is served without credentials.
    let requirements = |scopes: Vec<_>| vec![SecurityRequirement::new(BEARER, scopes), SecurityRequirement::default()];
    operation.security = Some(scopes.map(requirements).unwrap_or_default());
}

fn inline<T>(value: &RefOr<T>) -> Option<&T> {
    match value {
        RefOr::T(value) => Some(value),
        RefOr::Ref(_) => None,
    }
}

/// The headers of an answer, beside those that its handler names.
fn headers(status: &str, is_paged: bool) -> &'static [(&'static str, Type, &'static str)] {
    match status {
        "200" if is_paged => &[
            ("Link", Type::String, "RFC 8288: `first` and `next`, on pages"),
            ("X-Total-Count", Type::Integer, "With `count=true`; 100000 at most"),
            ("X-Total-Count-Capped", Type::Boolean, "`true` if there are more"),
        ],
        "201" => &[("Location", Type::String, "The address of what was created, unless it was a file of rows")],
        "429" => &[
            ("Retry-After", Type::Integer, "Seconds"),
            ("RateLimit", Type::String, "The client's standing"),
            ("RateLimit-Policy", Type::String, "The limit"),
        ],
        "503" => &[("Retry-After", Type::Integer, "Seconds")],
        _ => &[],
    }
}
