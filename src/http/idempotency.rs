//! `Idempotency-Key`: a POST sent twice with one key is done once, on whatever replica it arrives, and answered alike.
//!
//! The answer is recorded in the transaction that does the work. A replica that is killed in between leaves neither;
//! the client's next try then does the work. Follows draft-ietf-httpapi-idempotency-key-header.

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chrono::Duration;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Error, error::problem_response};
use crate::{db::Tx, domain::Caller, state::AppState, store::RecordedAnswer};

/// How long an answer is kept.
pub const KEPT_FOR: Duration = Duration::hours(24);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a client's key belongs to.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// Who sent it: what they do is put down to them.
    caller: Caller,
    key: Option<String>,
    method: Method,
    path: String,
}

/// A success that can be recorded: its status and its body.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    body: String,
}

impl Answer {
    /// 201 with `body` as JSON.
    ///
    /// # Errors
    /// Where `body` cannot be written as JSON.
    pub fn created(body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_string(body).map_err(Error::internal)?;
        Ok(Self { status: StatusCode::CREATED, body })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, JSON)], self.body).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let key = parts.headers.get(IDEMPOTENCY_KEY).map(|value| {
            let key = value.to_str().unwrap_or_default().trim();
            if (1..=255).contains(&key.len()) { Ok(key.to_owned()) } else { Err(invalid_key()) }
        });
        // Each user's keys are their own: nobody is told another's answer. No header can hold a line break.
        let key = key.transpose()?.map(|key| match caller.owner() {
            None => key,
            Some(user) => format!("{user}\n{key}"),
        });
        Ok(Self { caller, key, method: parts.method.clone(), path: parts.uri.path().to_owned() })
    }
}

impl Idempotency {
    /// Who sent the request.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Does `work` in a transaction, unless this key's answer to the same `body` is known already.
    ///
    /// # Errors
    /// What `work` answers; 409 where the first request of this key is still at work, 422 where the key came with
    /// another request before.
    pub async fn once<F>(&self, app: &AppState, body: &Bytes, work: F) -> Result<Response, Error>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<Answer, Error>,
    {
        self.once_with(app, &mut Known(body.clone()), async |tx, _| work(tx).await).await
    }

    /// The same for content that is still arriving: `work` reads it, and its digest is known only afterwards.
    ///
    /// # Errors
    /// As [`Idempotency::once`].
    pub async fn once_with<C, F>(&self, app: &AppState, content: &mut C, work: F) -> Result<Response, Error>
    where
        C: Content,
        F: AsyncFnOnce(&mut Tx, &mut C) -> Result<Answer, Error>,
    {
        let Some(key) = &self.key else {
            let mut tx = app.begin(self.caller).await?;
            let answer = work(&mut tx, content).await?;
            app.commit(tx).await?;
            return Ok(answer.into_response());
        };
        let Some(_at_work) = app.keys_at_work.take(key) else { return Err(at_work()) };
        let mut tx = app.begin(self.caller).await?;
        if let Some(recorded) = self.recorded(key, app, &mut tx).await? {
            // At once, not when the connection is next used: until then the key would count as at work.
            tx.rollback().await?;
            return replay(recorded, &self.fingerprint(&content.digest().await?));
        }
        tx.mark().await?;
        let (status, body, response) = match work(&mut tx, content).await {
            Ok(answer) => (answer.status, answer.body.clone(), answer.into_response()),
            Err(error) if error.is_final() => {
                tx.undo_to_mark().await?;
                let problem = serde_json::to_string(&error.problem()).map_err(Error::internal)?;
                (error.status(), problem, error.into_response())
            }
            Err(error) => {
                tx.rollback().await?;
                return Err(error);
            }
        };
        let fingerprint = self.fingerprint(&content.digest().await?);
        let recorded = RecordedAnswer { fingerprint, status: i32::from(status.as_u16()), body };
        tx.record_answer(key, &recorded, app.clock.now()).await?;
        app.commit(tx).await?;
        Ok(response)
    }

    /// The answer recorded for this key, once no other replica is at work on it.
    async fn recorded(&self, key: &str, app: &AppState, tx: &mut Tx) -> Result<Option<RecordedAnswer>, Error> {
        if !tx.try_lock_key(key).await? {
            return Err(at_work());
        }
        Ok(tx.recorded_answer(key, app.clock.now() - KEPT_FOR).await?)
    }

    /// Tells this request apart from others: a digest of its method, its path and the digest of its content.
    fn fingerprint(&self, content: &[u8]) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("{} {}\n", self.method, self.path));
        digest.update(content);
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What a request brings.
pub trait Content: Send {
    /// The digest of the whole content, read to its end where that is still to be done.
    fn digest(&mut self) -> impl Future<Output = Result<Vec<u8>, Error>> + Send;
}

/// Content that is here already.
struct Known(Bytes);

impl Content for Known {
    async fn digest(&mut self) -> Result<Vec<u8>, Error> {
        Ok(Sha256::digest(&self.0).to_vec())
    }
}

fn replay(recorded: RecordedAnswer, fingerprint: &str) -> Result<Response, Error> {
    if recorded.fingerprint != fingerprint {
        let detail = "This Idempotency-Key was used for another request";
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
    }
    let status = u16::try_from(recorded.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| Error::internal("a recorded answer has no valid status"))?;
    let mut response = if status.is_success() {
        Answer { status, body: recorded.body }.into_response()
    } else {
        problem_response(status, recorded.body.into_bytes())
    };
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn at_work() -> Error {
    let detail = "The first request with this Idempotency-Key is still being worked on";
    Error::new(StatusCode::CONFLICT, "idempotency_key_at_work", detail).with_retry_after(1)
}

fn invalid_key() -> Error {
    let detail = "An Idempotency-Key has 1 to 255 visible ASCII characters";
    Error::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail)
}
