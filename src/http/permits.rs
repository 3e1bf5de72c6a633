//! What a request that works with the database takes of the process: memory for its body, then a permit.
//!
//! Promises: a client that sends slowly holds no permit; one that reads slowly holds its own until it has the answer,
//! for a bounded time; no client's bodies take the memory of all.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use tower_http::timeout::DeadlineBody;

use super::{
    Error, extract, limits,
    portions::{PORTION, Portions},
};
use crate::{limits::load::SMALL_BODY, state::AppState};

/// How long an answer may be on its way, however slowly its client reads.
const SENT_WITHIN: Duration = Duration::from_secs(600);

/// Gathers the body into memory, then waits for a permit, which lasts until the answer is sent.
pub async fn permits(State(app): State<AppState>, request: Request, next: Next) -> Result<Response, Error> {
    let client = limits::subject(&app, request.extensions(), request.headers());
    let (parts, body) = request.into_parts();
    let limit = match parts.method {
        // Filters alone.
        Method::GET | Method::HEAD => SMALL_BODY.min(app.settings.body_limit),
        _ => app.settings.body_limit,
    };
    let mut room = app.load.body(client);
    let body = extract::gather(body, limit, |bytes| room.grow(bytes)).await?;
    let permit = app.load.permit().await.ok_or_else(Error::overloaded)?;
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let is_small = response.body().size_hint().upper().is_some_and(|bytes| bytes <= PORTION as u64);
    if is_small {
        return Ok(response);
    }
    Ok(response.map(|body| Body::new(Portions::holding(permit, Body::new(DeadlineBody::new(SENT_WITHIN, body))))))
}
