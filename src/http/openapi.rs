//! The OpenAPI document: what the handlers say of themselves, and the parameters and failures that they share.

use utoipa::{
    IntoParams, IntoResponses, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, Parameter},
        schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    Problem,
    access::table::{Need, TABLE},
};
use crate::domain::{EventType, Scope, UrlId, UserId, page::DEFAULT_PER_PAGE, stats::DEFAULT_TOP};

/// The document's frame; the routes are added where they are routed.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "buoy",
        description = "Short links that stay afloat: users, links and events.\n\nEvery failure has one shape (RFC 9457, \
                       `application/problem+json`): `code` is stable and made for programs, `detail` and `error` are \
                       made for people, `errors` names each refused field.",
    ),
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
/// The failures that the gate answers.
const UNKNOWN_CALLER: &str = "`credentials_required` or `credentials_invalid`";
const REFUSED_CALLER: &str =
    "`scope_missing`; where the API is open, `foreign_host` or `foreign_origin`: a page of another site sent it";

const TOO_MANY: &str = "`rate_limited` or `request_in_progress`; `Retry-After` says when to try again.";

/// Adds to the handlers' operations what is not theirs: how lists answer, the second of two methods with one handler,
/// and what the gate asks.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        item.get.iter_mut().for_each(tell_list_headers);
        if let Some(patch) = &mut item.patch {
            patch.operation_id = patch.operation_id.as_ref().map(|id| id.replace("update", "patch"));
            patch.summary = Some("The same as PUT.".to_owned());
            patch.description = None;
        }
    }
    tell_needs(document);
}

/// Describes the headers that every paged list has.
fn tell_list_headers(operation: &mut Operation) {
    let is_paged = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(it) if it.name == "per_page");
    if !operation.parameters.iter().flatten().any(is_paged) {
        return;
    }
    if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        let flag = ObjectBuilder::new().schema_type(Type::Boolean);
        for (name, schema, description) in [
            ("Link", text, "RFC 8288: `first` and `next`, on pages"),
            ("X-Total-Count", number, "With `count=true`; 100000 at most"),
            ("X-Total-Count-Capped", flag, "`true` if there are more"),
        ] {
            let header = HeaderBuilder::new().schema(Some(schema.build())).description(Some(description)).build();
            answer.headers.insert(name.to_owned(), header.into());
        }
    }
}

/// Says of each route what the gate asks, as the table of routes has it: credentials, and the answers to a caller who
/// lacks them.
fn tell_needs(document: &mut utoipa::openapi::OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The administrator's token, or a user's key. Needed where ADMIN_TOKEN is set; else the API is open.",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme.build()));
    for (method, path, need) in TABLE {
        let Some(item) = document.paths.paths.get_mut(*path) else { continue };
        let operation = match *method {
            "GET" => item.get.as_mut(),
            "POST" => item.post.as_mut(),
            "PUT" => item.put.as_mut(),
            "PATCH" => item.patch.as_mut(),
            _ => item.delete.as_mut(),
        };
        let (Some(operation), false) = (operation, *need == Need::Nothing) else { continue };
        let scope = match need {
            Need::Scope(scope) => scope.name(),
            Need::Nothing | Need::Admin => Scope::Admin.name(),
        };
        // Empty: it is also served without, where the API is open.
        operation.security = Some(vec![SecurityRequirement::new(BEARER, [scope]), SecurityRequirement::default()]);
        for (status, description) in [("401", UNKNOWN_CALLER), ("403", REFUSED_CALLER), ("429", TOO_MANY)] {
            let told = operation.responses.responses.entry(status.to_owned());
            told.or_insert_with(|| problem(description).into());
        }
    }
}

/// A failure with the one shape.
fn problem(description: &str) -> Response {
    let shape = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(shape)).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}

fn page() -> Object {
    from_one(None)
}

fn per_page() -> Object {
    from_one(Some(DEFAULT_PER_PAGE))
}

fn top() -> Object {
    from_one(Some(DEFAULT_TOP))
}

/// A number from 1 on. Without a format, which would say how large it may be: what is too large is taken as what may
/// be.
fn from_one(default: Option<u32>) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).default(default.map(Into::into)).build()
}

/// Which part of a list. Without any of these, every row is sent.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes query parameters, which `ListQuery` reads")]
pub struct Paging {
    /// The page, from 1.
    #[param(schema_with = page, example = 1)]
    page: Option<u64>,
    /// Rows of a page; more than 1,000 is taken as 1,000.
    #[param(schema_with = per_page)]
    per_page: Option<u32>,
    /// Where the page begins, as the `next` link gave it; instead of `page`.
    #[param(pattern = "^after-[0-9]+(-[0-9]+)?$", example = "after-20")]
    cursor: Option<String>,
    /// Whether to count all rows, for `X-Total-Count`.
    count: Option<bool>,
}

/// Which links. Filters may also stand in a JSON body; the query wins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes query parameters, which `ListQuery` reads")]
pub struct UrlFilters {
    /// Only this user's.
    user_id: Option<UserId>,
    /// Only those that can, or cannot, be followed.
    is_active: Option<bool>,
}

/// In which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes query parameters, which `ListQuery` reads")]
pub struct UrlOrder {
    /// `clicks`: the least followed first; `-clicks`: the most followed first. Each link then has `clicks`, and a
    /// `cursor` is good for the order that gave it out.
    #[param(pattern = "^(-?clicks)?$", example = "-clicks")]
    sort: Option<String>,
}

/// What to answer beside the fields of a link.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes query parameters, which `ListQuery` reads")]
pub struct IncludeClicks {
    /// `clicks`: how often each link was followed.
    #[param(pattern = "^(clicks)?$", example = "clicks")]
    include: Option<String>,
}

/// Which clicks, and in which buckets.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes query parameters, which `ListQuery` reads")]
pub struct StatsRange {
    /// Where the range begins: a time, or a day in the zone. Without it the range has thirty days.
    #[param(example = "2026-03-01")]
    from: Option<String>,
    /// Where it ends: a time, no longer part of it, or a day in the zone, which is. Without it the range ends with
    /// today.
    #[param(example = "2026-03-30")]
    to: Option<String>,
    /// How long a bucket is; a range has 1,000 at most.
    #[param(pattern = "^(hour|day|week|month)?$", default = "day")]
    unit: Option<String>,
    /// The zone, by its IANA name, in which buckets begin.
    #[param(default = "UTC", example = "Europe/Berlin")]
    tz: Option<String>,
    /// Values that are told of each dimension; more than 1,000 is taken as 1,000.
    #[param(schema_with = top)]
    top: Option<u32>,
}

/// Which events. Filters may also stand in a JSON body; the query wins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes query parameters, which `ListQuery` reads")]
pub struct EventFilters {
    /// Only those about this link.
    url_id: Option<UrlId>,
    /// Only those by this user.
    user_id: Option<UserId>,
    /// Only those of this type.
    event_type: Option<EventType>,
}

/// What a POST takes besides its body.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header, which `Idempotency` reads")]
pub struct IdempotencyKey {
    /// Makes a repeated request harmless: the same key and body get the same answer for 24 hours.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, example = "9f8c1d2e-create-link")]
    idempotency_key: Option<String>,
}

/// What any route that needs the database may answer.
#[derive(IntoResponses)]
pub enum ServerErrors {
    /// `internal_error`
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// `database_unavailable`, `request_timeout` or `overloaded`; `Retry-After` says when to try again.
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u32, description = "Seconds")),
    )]
    Unavailable(Problem),
}

/// There is nothing of this name, or the name is malformed.
#[derive(IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
#[expect(dead_code, reason = "describes a failure, which `Error` answers")]
pub struct NotFound(Problem);

/// `link_disabled`: the law demands that the link leads nowhere.
#[derive(IntoResponses)]
#[response(status = 451, content_type = "application/problem+json")]
#[expect(dead_code, reason = "describes a failure, which `Error` answers")]
pub struct Disabled(Problem);

/// What a list may answer instead.
#[derive(IntoResponses)]
pub enum ListErrors {
    /// `malformed_body`: filters in a body that is no JSON object.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// `body_too_large`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// `unsupported_media_type`: filters in a body that is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// `invalid_fields`: a filter or paging parameter that makes no sense.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// What a route that takes a JSON body may answer instead.
#[derive(IntoResponses)]
pub enum BodyErrors {
    /// `malformed_body` or `invalid_idempotency_key`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// `body_too_large`, or `answer_too_large` to be kept for an `Idempotency-Key`
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// `unsupported_media_type`
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// `invalid_fields` or `idempotency_key_reused`
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// `rate_limited`, or `request_in_progress` if the client's last creation is not done yet; `Retry-After` says when to try again.
#[derive(IntoResponses)]
#[response(
    status = 429,
    content_type = "application/problem+json",
    headers(
        ("Retry-After" = u32, description = "Seconds"),
        ("RateLimit" = String, description = "The client's standing"),
        ("RateLimit-Policy" = String, description = "The limit"),
    ),
)]
#[expect(dead_code, reason = "describes a failure, which `Error` answers")]
pub struct Limited(Problem);
