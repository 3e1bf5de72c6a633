//! A form as it was sent.

use std::fmt::Write as _;

use axum::{
    extract::{FromRequest, Request},
    http::StatusCode,
};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::fault::Fault;
use crate::state::AppState;

/// The fields of a form, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Posted(Vec<(String, String)>);

impl FromRequest<AppState> for Posted {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Fault> {
        let bytes = Bytes::from_request(request, app).await.map_err(|_| {
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The form is too large, or broke off")
        })?;
        Ok(Self::parse(&bytes))
    }
}

impl Posted {
    /// Reads the body of a form, or a query.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first value of a field; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether a field is there, as ticked boxes are.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Every value of a field.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field as the API takes it: a text without white space around it, null if it is empty.
    pub(super) fn nullable(&self, name: &str) -> Value {
        match self.text(name).trim() {
            "" => Value::Null,
            text => text.into(),
        }
    }

    /// A field that is a whole number; what is none goes to the API as text, which refuses it.
    pub(super) fn integer(&self, name: &str) -> Value {
        let text = self.text(name).trim();
        text.parse::<i64>().map_or_else(|_| self.nullable(name), Value::from)
    }
}

/// An address with the parameters that are not empty.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    let mut address = path.to_owned();
    if !query.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(address, "?{query}");
    }
    address
}

/// An object without the members that are null.
pub(super) fn given(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let given = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}
