//! The one error shape: RFC 9457 problem details with the contract's `error` key beside them.
//!
//! Every failure that a client can see becomes an [`Error`]. Its cause travels with the response to the middleware
//! that writes the request's log line, and is logged there once; the client never sees it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::again::IdTaken;
use crate::db::StoreError;

/// Seconds after which a client may try again if the database is missing or busy.
const RETRY_AFTER_SECONDS: u32 = 2;

/// A failure as a client sees it.
#[derive(Debug, Clone)]
pub struct Error {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: BTreeMap<String, String>,
    retry_after: Option<u32>,
    headers: Option<Box<HeaderMap>>,
    cause: Option<Arc<str>>,
    /// Whether a generated id was taken, so that the change can be made again.
    id_taken: bool,
}

/// What made a request fail, for its log line: carried in the response's extensions, never sent.
#[derive(Debug, Clone)]
pub(super) struct Cause(pub(super) Arc<str>);

/// The body of every failure.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "about:blank", "title": "Not Found", "status": 404,
    "detail": "User not found", "error": "User not found", "code": "user_not_found"
}))]
pub struct Problem {
    /// Always `about:blank`: `code` tells failures apart.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// What went wrong, for people.
    pub detail: String,
    /// The same, under the name that older clients read.
    pub error: String,
    /// What went wrong, for programs: stable.
    pub code: &'static str,
    /// A refused body's or query's fields, each with what is wrong with it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(nullable = false)]
    pub errors: BTreeMap<String, String>,
}

impl Error {
    /// A failure of the given status, code and words.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: BTreeMap::new(),
            retry_after: None,
            headers: None,
            cause: None,
            id_taken: false,
        }
    }

    /// 404 for a thing that is not there.
    pub fn not_found(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409 for a value that another row has.
    pub fn taken(field: &'static str) -> Self {
        let code = match field {
            "username" => "username_taken",
            "email" => "email_taken",
            _ => "short_code_taken",
        };
        let detail = match field {
            "username" => "Username is already taken",
            "email" => "E-mail address is already taken",
            _ => "Short code is taken, or was once",
        };
        Self::new(StatusCode::CONFLICT, code, detail).with_field(field, "is taken")
    }

    /// 422 for a body or query whose fields break a rule; names each.
    pub fn invalid(errors: BTreeMap<String, String>) -> Self {
        let first = errors.iter().next().map_or_else(String::new, |(field, fault)| format!("{field} {fault}"));
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", first) }
    }

    /// 422 for one field that breaks a rule.
    pub fn invalid_field(field: &str, fault: impl ToString) -> Self {
        Self::invalid(BTreeMap::from([(field.to_owned(), fault.to_string())]))
    }

    /// 503 for what passes by itself.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_retry_after(RETRY_AFTER_SECONDS)
    }

    /// 503: too much is at work.
    pub fn overloaded() -> Self {
        Self::unavailable("overloaded", "Too much is at work here, please try again")
    }

    /// 503 for a request that took too long.
    pub fn too_slow() -> Self {
        Self::unavailable("request_timeout", "The request took too long, please try again")
    }

    /// 500: a fault of the program. The cause is logged, not sent.
    pub fn internal(cause: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side")
            .with_cause(cause)
    }

    /// Adds what is wrong with a field.
    #[must_use]
    pub fn with_field(mut self, field: &str, fault: impl ToString) -> Self {
        self.errors.insert(field.to_owned(), fault.to_string());
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds headers of any kind.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.get_or_insert_default().extend(headers);
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// Whether the request would fail alike if it were sent again: what a broken-off body says is not the last word.
    pub fn is_final(&self) -> bool {
        self.status.is_client_error() && self.code != "malformed_body"
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body of the answer.
    pub fn problem(&self) -> Problem {
        Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.to_string(),
            error: self.detail.to_string(),
            code: self.code,
            errors: self.errors.clone(),
        }
    }
}

impl Error {
    /// The failure of a read that several requests waited for.
    pub(super) fn from_shared(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => StoreError::Unavailable(reason.clone()).into(),
            StoreError::Overloaded => StoreError::Overloaded.into(),
            StoreError::TooSlow => StoreError::TooSlow.into(),
            StoreError::NoChanges(reason) => StoreError::NoChanges(reason).into(),
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(field) => Self::taken(field),
            StoreError::Missing("user_id") => Self::not_found("user_not_found", "User not found"),
            StoreError::Missing(_) => Self::not_found("url_not_found", "URL not found"),
            StoreError::Overloaded => Self::overloaded(),
            StoreError::TooSlow => Self::too_slow().with_cause(error),
            StoreError::Unavailable(_) => {
                Self::unavailable("database_unavailable", "The database is not available, please try again")
                    .with_cause(error)
            }
            StoreError::NoChanges(reason) => {
                let detail = format!("The database takes no changes at present: {reason}");
                Self::unavailable("database_read_only", detail).with_cause(error)
            }
            StoreError::IdsTaken => {
                let detail = "The database gives out ids that are taken, please try again";
                Self { id_taken: true, ..Self::unavailable("database_unavailable", detail).with_cause(error) }
            }
            StoreError::IdsExhausted => {
                let detail = "The database gives out ids beyond 2^53 - 1: its operator has to set the sequence back";
                Self::unavailable("ids_exhausted", detail).with_cause(error)
            }
            StoreError::Forbidden(_) | StoreError::File(_) | StoreError::Migration(_) | StoreError::Unexpected(_) => {
                Self::internal(error)
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = problem_response(self.status, body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(headers) = self.headers {
            response.headers_mut().extend(*headers);
        }
        if self.id_taken {
            response.extensions_mut().insert(IdTaken);
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

/// What no cache may keep.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// An answer with a body of the error shape.
pub(super) fn problem_response(status: StatusCode, body: Vec<u8>) -> Response {
    const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
    // A refusal that a cache keeps outlives its cause.
    (status, [(header::CONTENT_TYPE, PROBLEM_JSON), (header::CACHE_CONTROL, NO_STORE)], body).into_response()
}
