//! Failures in the OpenAPI document: the codes that go with each kind of route, and an example of each code.

use axum::http::{Method, StatusCode};
use serde_json::json;
use utoipa::openapi::{
    Content, Ref, RefOr, Response,
    example::ExampleBuilder,
    path::{Operation, ParameterIn},
};

use super::inline;
use crate::http::{Error, access::table::Need};

/// Every code with its status and what a client may read beside it. `docs/api.md` explains the same codes.
pub const CODES: &[(u16, &str, &str)] = &[
    (400, "malformed_body", "the body is not a JSON object"),
    (400, "malformed_host", "A request has exactly one Host, the same as in its target"),
    (400, "malformed_target", "The target of the request holds bytes that must be percent-encoded"),
    (400, "invalid_idempotency_key", "Idempotency-Key must be 1 to 255 visible ASCII characters, and there is one"),
    (401, "credentials_required", "This needs Authorization: Bearer with a key or the administrator's token"),
    (401, "credentials_invalid", "These credentials are not valid: unknown, malformed, expired or revoked"),
    (403, "scope_missing", "This needs a key with the scope links:write"),
    (403, "scopes_exceeded", "A key makes none with more scopes than its own: links:read links:write"),
    (403, "keys_need_credentials", "The API is open, so no keys are made over HTTP: set ADMIN_TOKEN"),
    (403, "foreign_host", "The API is open, and this is not one of its names: ALLOWED_HOSTS lists them"),
    (403, "foreign_origin", "The API is open, and pages of other sites may not use it"),
    (404, "user_not_found", "User not found"),
    (404, "url_not_found", "URL not found"),
    (404, "event_not_found", "Event not found"),
    (404, "key_not_found", "Key not found"),
    (404, "route_not_found", "There is nothing at this address"),
    (405, "method_not_allowed", "This address does not take this method"),
    (409, "username_taken", "Username is already taken"),
    (409, "email_taken", "E-mail address is already taken"),
    (409, "short_code_taken", "Short code is taken, or was once"),
    (409, "too_many_keys", "The user has 100 keys that are good: revoke one first"),
    (409, "idempotency_key_at_work", "The first request with this Idempotency-Key is still at work"),
    (413, "body_too_large", "The body has more than 1048576 bytes"),
    (415, "unsupported_media_type", "The content type must be application/json"),
    (422, "invalid_fields", "email is not an e-mail address"),
    (422, "invalid_rows", "1 of 400 rows were refused, so none was taken in"),
    (422, "idempotency_key_reused", "This Idempotency-Key was used for another request"),
    (429, "rate_limited", "Too many requests of this kind, please try again later"),
    (429, "request_in_progress", "Another request of this kind is still in progress for this client"),
    (451, "link_disabled", "This link is disabled for legal reasons"),
    (500, "internal_error", "Something went wrong on our side"),
    (503, "database_unavailable", "The database is not available, please try again"),
    (503, "database_read_only", "The database takes no changes at present: it is read-only"),
    (503, "ids_exhausted", "The database gives out ids beyond 2^53 - 1: its operator has to set the sequence back"),
    (503, "request_timeout", "The request took too long, please try again"),
    (503, "overloaded", "Too much is at work here, please try again"),
    (503, "uploads_busy", "Other files are being taken in, please try again"),
    (503, "upload_not_kept", "The file cannot be kept while it arrives, please try again"),
    (503, "not_ready", "The database has not been ready yet: connection refused"),
    (503, "draining", "This replica is shutting down"),
];

const PROBLEM: &str = "application/problem+json";

/// Statuses and the codes that go with them.
type Failures = [(&'static str, &'static str)];

const ANY: &Failures = &[
    ("400", "`malformed_host`: not exactly one `Host`"),
    ("500", "`internal_error`"),
    ("503", "`database_unavailable`, `request_timeout` or `overloaded`"),
];
const CHANGING: &Failures = &[("503", "`database_read_only`")];
const CREATING: &Failures = &[("503", "`ids_exhausted`")];
const GUARDED: &Failures = &[
    ("400", "`malformed_target`: bytes in the target that must be percent-encoded"),
    ("401", "`credentials_required` or `credentials_invalid`"),
    ("403", "`scope_missing`; if the API is open, `foreign_host` or `foreign_origin`: a page of another site sent it"),
    ("422", "`invalid_fields`: a query parameter that the route does not have"),
    ("429", "`rate_limited`, or `request_in_progress` if the client's last request of this kind is not done yet"),
];
const FOLLOWED: &Failures = &[("429", "`rate_limited`: too many unknown codes")];
const NO_USER: &Failures = &[("404", "`user_not_found`: there is none, or the id is malformed")];
const NO_URL: &Failures = &[("404", "`url_not_found`: there is none, or its name is malformed")];
const NO_EVENT: &Failures = &[("404", "`event_not_found`: there is none, or the id is malformed")];
const NO_KEY: &Failures = &[("404", "`user_not_found` or `key_not_found`: there is none, or the id is malformed")];
const FILTERED: &Failures = &[
    ("400", "`malformed_body`: filters in a body that is no JSON object"),
    ("413", "`body_too_large`"),
    ("415", "`unsupported_media_type`: filters in a body that is not JSON"),
    ("422", "`invalid_fields`: a filter or paging parameter that makes no sense"),
];
const WITH_BODY: &Failures = &[
    ("400", "`malformed_body`"),
    ("413", "`body_too_large`"),
    ("415", "`unsupported_media_type`"),
    ("422", "`invalid_fields`"),
];
const UPLOADED: &Failures = &[("422", "`invalid_rows`"), ("503", "`uploads_busy` or `upload_not_kept`")];
const KEYED: &Failures =
    &[("400", "`invalid_idempotency_key`"), ("409", "`idempotency_key_at_work`"), ("422", "`idempotency_key_reused`")];

/// Adds to an operation the failures that follow from its kind, to those that its handler names, each with examples.
pub(super) fn complete(operation: &mut Operation, method: &Method, path: &str, need: Need) {
    let takes = |place| operation.parameters.iter().flatten().filter_map(inline).any(|it| it.parameter_in == place);
    let is_guarded = need != Need::Nothing;
    // First what the route itself refuses.
    let kinds = [
        (operation.request_body.is_some(), WITH_BODY),
        (takes(ParameterIn::Query), FILTERED),
        (path.ends_with("/bulk"), UPLOADED),
        (takes(ParameterIn::Header), KEYED),
        (path.contains('{'), missing(path)),
        (method != Method::GET, CHANGING),
        (method == Method::POST, CREATING),
        (is_guarded, GUARDED),
        (!is_guarded && path.contains('{'), FOLLOWED),
        (true, ANY),
    ];
    for (status, codes) in kinds.iter().filter(|(applies, _)| *applies).flat_map(|(_, failures)| *failures) {
        may_answer(operation, status, codes);
    }
    for (status, answer) in &mut operation.responses.responses {
        if let (RefOr::T(answer), true) = (answer, status.as_str() >= "400") {
            add_examples(status, answer);
        }
    }
}

/// The failure of a path that names nothing.
fn missing(path: &str) -> &'static Failures {
    match path {
        _ if path.contains("{key_id}") => NO_KEY,
        _ if path.starts_with("/users") => NO_USER,
        _ if path.starts_with("/events") => NO_EVENT,
        _ => NO_URL,
    }
}

/// Adds an answer, or its codes to the answer of this status.
fn may_answer(operation: &mut Operation, status: &str, codes: &str) {
    let answers = &mut operation.responses.responses;
    match answers.get_mut(status) {
        None => drop(answers.insert(status.to_owned(), Response::new(codes).into())),
        // One with a body of its own is complete.
        Some(RefOr::T(answer)) if !answer.content.is_empty() => {}
        Some(RefOr::T(answer)) if named(codes).all(|code| named(&answer.description).any(|known| known == code)) => {}
        Some(RefOr::T(answer)) => answer.description = format!("{}; {codes}", answer.description),
        Some(RefOr::Ref(_)) => {}
    }
}

/// What a description names between backticks.
fn named(description: &str) -> impl Iterator<Item = &str> {
    description.split('`').skip(1).step_by(2)
}

/// An example of every code that an answer's description names.
fn add_examples(status: &str, answer: &mut Response) {
    let described = answer.description.clone();
    let empty = || Content::new(Some(Ref::from_schema_name("Problem"))).into();
    let RefOr::T(content) = answer.content.entry(PROBLEM.to_owned()).or_insert_with(empty) else { return };
    for (of_status, code, detail) in CODES {
        if of_status.to_string() == status && named(&described).any(|name| name == *code) {
            let example = ExampleBuilder::new().value(Some(example(*of_status, code, detail))).build();
            content.examples.entry((*code).to_owned()).or_insert(example.into());
        }
    }
}

/// The body of a failure.
fn example(status: u16, code: &'static str, detail: &'static str) -> serde_json::Value {
    let error = Error::new(StatusCode::from_u16(status).unwrap_or_default(), code, detail);
    let error = match code {
        "invalid_fields" => error.with_field("email", "is not an e-mail address"),
        "invalid_rows" => error.with_field("line 4", "email: is not an e-mail address"),
        "username_taken" => error.with_field("username", "is taken"),
        "email_taken" => error.with_field("email", "is taken"),
        "short_code_taken" => error.with_field("short_code", "is taken"),
        _ => error,
    };
    json!(error.problem())
}
