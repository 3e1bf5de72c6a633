//! Who may do what over HTTP: what each route needs, and the gate that sees to it.
//!
//! Promises: a route that needs credentials is never reached without them, before anything of the request's body is
//! read; what a caller may not see answers like what is missing; an open API is out of reach of foreign web pages.

mod gate;
pub mod table;

use axum::{extract::FromRequestParts, http::request::Parts};

pub(in crate::http) use self::gate::bearer;
pub use self::gate::gate;
use super::Error;
use crate::domain::Caller;

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        // Missing only if a route was put outside the gate: that mistake admits no client.
        let caller = parts.extensions.get::<Self>().copied();
        caller.ok_or_else(|| Error::internal("a route asks who calls, and no gate says it"))
    }
}
