//! A change whose row was given an id that another row has already: the sequences are moved on, and it is made again.
//!
//! Nothing of the first attempt is in the database, since it failed. The body is in memory by now.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{Error, extract};
use crate::state::AppState;

/// Marks the answer to a change that met a taken id.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdTaken;

/// Answers a change once more if the database had given its row a taken id.
pub async fn with_free_ids(State(app): State<AppState>, request: Request, next: Next) -> Result<Response, Error> {
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let body = extract::gather(body, usize::MAX, |_| true).await?;
    let again = Request::from_parts(parts.clone(), Body::from(body.clone()));
    let response = next.clone().run(Request::from_parts(parts, Body::from(body))).await;
    if response.extensions().get::<IdTaken>().is_none() {
        return Ok(response);
    }
    match app.store()?.mend_sequences().await {
        Ok(()) => Ok(next.run(again).await),
        Err(error) => Ok(Error::from(error).into_response()),
    }
}
