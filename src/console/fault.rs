//! What went wrong with a page: what the API said, kept until the guard shows it within a page's frame.

use std::collections::BTreeMap;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use crate::db::StoreError;

/// A failure as the API tells it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Fault {
    /// The status of the answer.
    #[serde(rename = "status")]
    pub(super) number: u16,
    /// What happened, for people.
    pub(super) detail: String,
    /// The same for programs.
    pub(super) code: String,
    /// What is wrong with each field.
    #[serde(default)]
    pub(super) errors: BTreeMap<String, String>,
}

impl Fault {
    /// A failure of the console's own.
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { number: status.as_u16(), detail: detail.into(), code: code.to_owned(), errors: BTreeMap::new() }
    }

    /// 404 for a page that is not there.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "page_not_found", "There is no such page")
    }

    /// 500; the cause is for the log.
    pub(super) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a page could not be made");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side")
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether a form is to be shown again, with what is wrong with its fields.
    pub(super) fn is_of_form(&self) -> bool {
        matches!(self.number, 409 | 412 | 422 | 429) || self.code == "scope_missing" || self.code == "user_not_found"
    }

    /// What is wrong with a field; empty if nothing is.
    pub(super) fn of(&self, field: &str) -> &str {
        self.errors.get(field).map_or("", String::as_str)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Overloaded | StoreError::TooSlow => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "database_unavailable",
                "The database is not available, please try again",
            ),
            other => Self::internal(other),
        }
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        Self::internal(error)
    }
}

/// The guard puts the words around it.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
