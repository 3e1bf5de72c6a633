//! `Idempotency-Key`: a POST sent twice with one key is done once, on whichever replica it arrives, and answered alike.
//!
//! A handler begins an attempt, changes, and finishes it. The answer is recorded in the transaction of the change: if a
//! replica is killed in between, neither is kept, and the client's next request does the work.
//! Follows draft-ietf-httpapi-idempotency-key-header.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chrono::Duration;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Error, error::problem_response, limits::Creation};
use crate::{
    db::Tx,
    domain::{Caller, Url, clock::Timestamp},
    limits::exclusive::Held,
    state::{AppState, KeyAtWork},
    store::{Claim, RecordedAnswer, urls::create::Record},
};

/// How long an answer is kept.
pub const KEPT_FOR: Duration = Duration::hours(24);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The request that a client's key belongs to.
#[derive(Debug, Clone)]
pub struct Idempotency {
    caller: Caller,
    creation: Creation,
    key: Option<String>,
    method: Method,
    path: String,
}

/// Work in progress, and the key under which its answer is to be recorded.
pub struct Attempt {
    /// The transaction in which the work is to be done; none until it is asked for, and if the work is one statement.
    tx: Option<Tx>,
    app: AppState,
    /// The caller who sent the request.
    pub(super) caller: Caller,
    /// The creation that the request is, for its rate limit.
    pub(super) creation: Creation,
    /// The headers of the token that it took.
    pub(super) standing: HeaderMap,
    pub(super) keyed: Option<Keyed>,
    path: String,
    /// Keeps the user's next creation waiting.
    _held: Option<Held>,
}

/// A key, and what tells its request apart from others.
pub(super) struct Keyed {
    key: String,
    fingerprint: String,
    /// Keeps other requests of this process from working on the same key.
    _at_work: KeyAtWork,
}

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Ok(creation) = Creation::from_request_parts(parts, state).await;
        let mut given = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = given.next().map(|value| {
            let key = value.to_str().unwrap_or_default().trim();
            let is_valid = (1..=255).contains(&key.len()) && given.next().is_none();
            if is_valid { Ok(key.to_owned()) } else { Err(invalid_key()) }
        });
        // Each user's keys are their own: no user gets another's answer. No header can hold a line break.
        let key = key.transpose()?.map(|key| match caller.owner() {
            None => key,
            Some(user) => format!("{user}\n{key}"),
        });
        Ok(Self { caller, creation, key, method: parts.method.clone(), path: parts.uri.path().to_owned() })
    }
}

impl Idempotency {
    /// The caller who sent the request.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Begins an attempt. If the key's answer is recorded, that is the answer instead.
    ///
    /// # Errors
    /// The recorded answer; 409 if the first request of this key is still in progress, 422 if the key came with
    /// another request before, 429 if the client may not create now.
    pub async fn begin(self, app: &AppState, content: &impl Content) -> axum::response::Result<Attempt> {
        self.begin_as(app, content, true).await
    }

    /// The same for work that is one statement, which records its answer itself.
    ///
    /// # Errors
    /// As [`Idempotency::begin`].
    pub async fn begin_alone(self, app: &AppState, content: &impl Content) -> axum::response::Result<Attempt> {
        self.begin_as(app, content, false).await
    }

    async fn begin_as(self, app: &AppState, content: &impl Content, claims: bool) -> axum::response::Result<Attempt> {
        let Self { caller, creation, key, method, path } = self;
        let held = creation.hold(app).await?;
        let (app, standing) = (app.clone(), HeaderMap::new());
        let keyed = None;
        let mut attempt = Attempt { tx: None, app, caller, creation, standing, keyed, path, _held: held };
        let Some(key) = key else { return Ok(attempt) };
        let app = &attempt.app;
        let at_work = app.keys_at_work.take(&key).ok_or_else(busy)?;
        let mut digest = Sha256::new();
        digest.update(format!("{method} {}\n", attempt.path));
        digest.update(content.digest());
        let fingerprint = hex::encode(digest.finalize());
        let expired = app.clock.now() - KEPT_FOR;
        let (claim, tx) = if claims {
            let mut tx = app.begin(caller).await.map_err(Error::from)?;
            (tx.claim_key(&key, expired).await.map_err(Error::from)?, Some(tx))
        } else {
            (app.store().map_err(Error::from)?.find_answer(&key, expired).await.map_err(Error::from)?, None)
        };
        match claim {
            Claim::Busy => Err(busy().into()),
            Claim::Answered(recorded) => {
                if let Some(tx) = tx {
                    // Awaited: until the rollback is done, the key would count as in progress.
                    tx.rollback().await.map_err(Error::from)?;
                }
                Err(replay(recorded, &fingerprint, &attempt.path)?.into())
            }
            Claim::Free => {
                attempt.keyed = Some(Keyed { key, fingerprint, _at_work: at_work });
                if let Some(tx) = tx {
                    attempt.work_in(tx).await?;
                }
                Ok(attempt)
            }
        }
    }
}

impl Attempt {
    /// The transaction in which the work is to be done.
    ///
    /// # Errors
    /// 429 if the client may not create now.
    pub async fn tx(&mut self) -> Result<&mut Tx, Error> {
        if self.tx.is_none() {
            let tx = self.app.begin(self.caller).await?;
            self.work_in(tx).await?;
        }
        self.tx.as_mut().ok_or_else(|| Error::internal("an attempt has no transaction"))
    }

    /// Takes the creation's token in the transaction in which the work is to be done.
    async fn work_in(&mut self, mut tx: Tx) -> Result<(), Error> {
        match self.creation.take(&self.app, &mut tx).await {
            Ok(standing) => {
                self.standing = standing;
                self.tx = Some(tx);
                Ok(())
            }
            Err(refused) => {
                tx.rollback().await?;
                Err(refused)
            }
        }
    }

    /// Answers 201 with what was made, and commits it with this answer. A failure undoes the work; if it would repeat
    /// itself, it is recorded for the key.
    pub async fn finish(self, made: Result<impl Serialize, impl Into<Error>>) -> Result<Response, Error> {
        let made = made.map_err(Into::into);
        let body = made.and_then(|made| serde_json::to_string(&made).map_err(Error::internal));
        let now = self.app.clock.now();
        match body {
            Ok(body) => {
                if let Some(mut tx) = self.tx {
                    if let Some(keyed) = &self.keyed {
                        let recorded = keyed.recorded(StatusCode::CREATED, body.clone());
                        if !tx.record_answer(&keyed.key, &recorded, now, now - KEPT_FOR).await? {
                            return Err(busy());
                        }
                    }
                    self.app.commit(tx).await?;
                }
                Ok((self.standing, created(StatusCode::CREATED, &self.path, body)).into_response())
            }
            Err(error) => {
                if let Some(tx) = self.tx {
                    tx.rollback().await?;
                }
                if let (Some(keyed), true) = (&self.keyed, error.is_final()) {
                    let problem = serde_json::to_string(&error.problem()).map_err(Error::internal)?;
                    let recorded = keyed.recorded(error.status(), problem);
                    if !self.app.store()?.record_answer(&keyed.key, &recorded, now, now - KEPT_FOR).await? {
                        return Err(busy());
                    }
                }
                Err(error)
            }
        }
    }
}

impl Keyed {
    /// What the statement that does the work records.
    pub(super) fn record<'a>(
        &'a self,
        now: Timestamp,
        body: &'a (dyn Fn(&Url) -> serde_json::Result<String> + Sync),
    ) -> Record<'a> {
        Record { key: &self.key, fingerprint: &self.fingerprint, expired: now - KEPT_FOR, body }
    }

    fn recorded(&self, status: StatusCode, body: String) -> RecordedAnswer {
        RecordedAnswer { fingerprint: self.fingerprint.clone(), status: i32::from(status.as_u16()), body }
    }
}

/// The content of a request.
pub trait Content {
    /// The digest of the whole content.
    fn digest(&self) -> Vec<u8>;
}

impl Content for Bytes {
    fn digest(&self) -> Vec<u8> {
        Sha256::digest(self).to_vec()
    }
}

fn replay(recorded: RecordedAnswer, fingerprint: &str, path: &str) -> Result<Response, Error> {
    if recorded.fingerprint != fingerprint {
        let detail = "This Idempotency-Key was used for another request";
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
    }
    let status = u16::try_from(recorded.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| Error::internal("a recorded answer has no valid status"))?;
    let mut response = if status.is_success() {
        created(status, path, recorded.body)
    } else {
        problem_response(status, recorded.body.into_bytes())
    };
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The answer of a success. What was created has its address below `path`, by the id in the body.
fn created(status: StatusCode, path: &str, body: String) -> Response {
    #[derive(Deserialize)]
    struct Created {
        id: i64,
    }
    let id = serde_json::from_str::<Created>(&body).ok().map(|created| created.id);
    let location = id.and_then(|id| HeaderValue::try_from(format!("{path}/{id}")).ok());
    let location = location.map(|location| [(header::LOCATION, location)]);
    (status, [(header::CONTENT_TYPE, JSON)], location, body).into_response()
}

/// 409: the first request of a key is not answered yet, or was just now.
pub(super) fn busy() -> Error {
    let detail = "The first request with this Idempotency-Key is still being worked on";
    Error::new(StatusCode::CONFLICT, "idempotency_key_at_work", detail).with_retry_after(1)
}

fn invalid_key() -> Error {
    let detail = "There is one Idempotency-Key, of 1 to 255 visible ASCII characters";
    Error::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail)
}
