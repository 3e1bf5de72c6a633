//! The OpenAPI document: what the handlers say of themselves, and the parameters and failures that they share.

mod parameters;

use axum::http::Method;
use utoipa::{
    OpenApi,
    openapi::{
        Content, HeaderBuilder, PathItem, Ref, RefOr, Response,
        path::{Operation, Parameter, ParameterIn},
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

pub use self::parameters::*;
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
        (name = "users", description = "Who owns links"),
        (name = "stats", description = "How often links were followed"),
        (name = "events", description = "What happened to links"),
        (name = "health", description = "Liveness and readiness"),
    ),
)]
pub struct Document;

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// Statuses and the codes that go with them.
type Failures = [(&'static str, &'static str)];

const ANY: &Failures = &[
    ("500", "`internal_error`"),
    ("503", "`database_unavailable`, `request_timeout` or `overloaded`; `Retry-After` says when to try again."),
];
const GUARDED: &Failures = &[
    ("401", "`credentials_required` or `credentials_invalid`"),
    (
        "403",
        "`scope_missing`; where the API is open, `foreign_host` or `foreign_origin`: a page of another site sent it",
    ),
    LIMITED,
];
const NAMED: &Failures = &[("404", "There is nothing of this name, or the name is malformed."), LIMITED];
const LIMITED: (&str, &str) = (
    "429",
    "`rate_limited`, or `request_in_progress` if the client's last request of this kind is not done yet; `Retry-After` \
     says when to try again.",
);
const FILTERED: &Failures = &[
    ("400", "`malformed_body`: filters in a body that is no JSON object."),
    ("413", "`body_too_large`"),
    ("415", "`unsupported_media_type`: filters in a body that is not JSON."),
    ("422", "`invalid_fields`: a filter or paging parameter that makes no sense."),
];
const WITH_BODY: &Failures = &[
    ("400", "`malformed_body` or `invalid_idempotency_key`"),
    ("413", "`body_too_large`"),
    ("415", "`unsupported_media_type`"),
    ("422", "`invalid_fields` or `idempotency_key_reused`"),
];
const KEYED: &Failures = &[("409", "`idempotency_key_at_work`")];
const STRICT: &Failures = &[("422", "`invalid_fields`: a query parameter that the route does not have.")];

/// Adds to the handlers' operations what follows from their kind: what the gate asks, the failures that a handler
/// does not name itself, the headers of lists, and the second of two methods with one handler.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The administrator's token, or a user's key. Needed where ADMIN_TOKEN is set; else the API is open.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme.build()));
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
                complete_operation(operation, path, need(method, path));
            }
        }
    }
}

fn complete_operation(operation: &mut Operation, path: &str, need: Need) {
    let parameters: Vec<&Parameter> = operation.parameters.iter().flatten().filter_map(inline).collect();
    let takes = |place| parameters.iter().any(|parameter| parameter.parameter_in == place);
    let is_keyed = parameters.iter().any(|parameter| parameter.name == "Idempotency-Key");
    let is_paged = parameters.iter().any(|parameter| parameter.name == "per_page");
    let kinds = [
        (true, ANY),
        (need != Need::Nothing, GUARDED),
        (path.contains('{'), NAMED),
        (operation.request_body.is_some(), WITH_BODY),
        (takes(ParameterIn::Query), FILTERED),
        (is_keyed, KEYED),
        (need != Need::Nothing, STRICT),
    ];
    let responses = &mut operation.responses.responses;
    for (status, codes) in kinds.iter().filter(|(applies, _)| *applies).flat_map(|(_, failures)| *failures) {
        responses.entry((*status).to_owned()).or_insert_with(|| Response::new(*codes).into());
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if status.as_str() >= "400" && response.content.is_empty() {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            response.content.insert("application/problem+json".to_owned(), problem.into());
        }
        for (name, kind, description) in headers(status, is_paged) {
            let schema = ObjectBuilder::new().schema_type(kind.clone());
            let header = HeaderBuilder::new().schema(Some(schema.build())).description(Some(*description));
            response.headers.insert((*name).to_owned(), header.build().into());
        }
    }
    let scopes = match need {
        Need::Nothing => return,
        Need::Credentials => vec![],
        Need::Scope(scope) => vec![scope.name()],
        Need::Admin => vec![Scope::Admin.name()],
    };
    // Empty: it is also served without, where the API is open.
    operation.security = Some(vec![SecurityRequirement::new(BEARER, scopes), SecurityRequirement::default()]);
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
