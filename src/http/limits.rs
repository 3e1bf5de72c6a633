//! Rate limits and load as clients see them: who is whose client, the headers, 429 and 503.
//!
//! Promises: a request without a limit is counted nowhere; a trusted proxy is never taken for a client; redirects of
//! known codes never come here. Leaves out: how tokens are counted, see [`crate::limits`].

use std::{convert::Infallible, net::IpAddr, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request::Parts},
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;

use super::{Error, client_address::ClientAddress};
use crate::{
    db::Tx,
    domain::{Caller, LimitMode, Policy, UserId},
    limits::{Standing, Subject, exclusive::Held, subject::network_of},
    state::AppState,
    store::{Bucket, Taken},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The client that a request counts for: a key's user, else the network of the client's address; none if no client
/// can be told, and by default none for the administrator.
pub(super) fn subject(app: &AppState, extensions: &Extensions, headers: &HeaderMap) -> Option<Subject> {
    match (extensions.get::<Caller>(), app.limits.mode()) {
        (_, LimitMode::Off) | (Some(Caller::Admin), LimitMode::Auto) => None,
        (Some(Caller::Key(holder)), _) => Some(Subject::User(holder.user_id)),
        _ => network(app, &ClientAddress::read(extensions, headers, &app.settings.trust)).map(Subject::Network),
    }
}

/// The network of a client, whatever the credentials. By default this machine itself has none if the API is open.
fn network(app: &AppState, client: &ClientAddress) -> Option<IpNet> {
    let exempt = |address: &IpAddr| match app.limits.mode() {
        LimitMode::Auto => app.access.open_under().is_some() && address.is_loopback(),
        LimitMode::On => false,
        LimitMode::Off => true,
    };
    client.own(&app.settings.trust).filter(|address| !exempt(address)).map(network_of)
}

/// The user whose creation this is, from whose bucket the token is still to be taken; none if it was taken or there
/// is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Creation(Option<UserId>);

impl<S: Send + Sync> FromRequestParts<S> for Creation {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

impl Creation {
    /// Waits for the user's last creation: both would lock the same bucket, each with a connection.
    ///
    /// # Errors
    /// 429 if that takes too long.
    pub async fn hold(self, app: &AppState) -> Result<Option<Held>, Error> {
        match self.0 {
            Some(user) => app.creating.hold(Subject::User(user)).await.map(Some).ok_or_else(in_progress),
            None => Ok(None),
        }
    }

    /// Takes the token in the transaction that creates; answers the headers that tell so.
    ///
    /// # Errors
    /// 429 without a token.
    pub async fn take(self, app: &AppState, tx: &mut Tx) -> Result<HeaderMap, Error> {
        let Some(user) = self.0 else { return Ok(HeaderMap::new()) };
        let taken = app.limits.take_of_user(tx, Policy::Creations, user, app.clock.now()).await?;
        taken.map(|standing| headers(&standing)).map_err(refused)
    }

    /// The bucket out of which the token is to be taken by the statement that creates.
    pub(super) fn bucket(self, app: &AppState) -> Option<Bucket> {
        self.0.map(|user| app.limits.bucket(Policy::Creations, user))
    }

    /// The headers that tell of the tokens that are left, if one was taken.
    pub(super) fn headers(app: &AppState, left: Option<u32>) -> HeaderMap {
        let taken = left.map(|left| app.limits.standing(Policy::Creations, Taken::Left(left)));
        taken.and_then(Result::ok).map_or_else(HeaderMap::new, |standing| headers(&standing))
    }

    /// 429 for a creation that found no token.
    pub(super) fn refused(app: &AppState, wait: Duration) -> Error {
        match app.limits.standing(Policy::Creations, Taken::After(wait)) {
            Ok(standing) | Err(standing) => refused(standing),
        }
    }
}

/// Takes a token of the policy for each POST, and refuses those without one. If a user creates, the handler takes
/// it.
pub async fn limited(
    State((app, policy)): State<(AppState, Policy)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let is_post = request.method() == Method::POST;
    let client = is_post.then(|| subject(&app, request.extensions(), request.headers())).flatten();
    let taken = match client {
        None => return Ok(next.run(request).await),
        Some(Subject::User(user)) if policy == Policy::Creations => {
            request.extensions_mut().insert(Creation(Some(user)));
            return Ok(next.run(request).await);
        }
        Some(Subject::User(user)) => take_now(&app, policy, user).await?,
        Some(Subject::Network(network)) => app.limits.take(policy, network, app.live_replicas()),
    };
    let standing = taken.map_err(refused)?;
    let mut response = next.run(request).await;
    response.headers_mut().extend(headers(&standing));
    Ok(response)
}

/// Takes a user's token before the work begins: an upload would lock the bucket for minutes.
async fn take_now(app: &AppState, policy: Policy, user: UserId) -> Result<Result<Standing, Standing>, Error> {
    let mut tx = app.store()?.begin().await?;
    let taken = app.limits.take_of_user(&mut tx, policy, user, app.clock.now()).await?;
    tx.commit().await?;
    Ok(taken)
}

/// The answer to an unknown code: `not_found`, or 429 if the client has asked for too many.
pub fn unknown_code(app: &AppState, client: &ClientAddress, not_found: Error) -> Error {
    counted(app, Policy::UnknownCodes, client, not_found)
}

/// Whether a client may try a token that can be guessed. Failures count by network, since the caller is not known yet.
///
/// # Errors
/// 429 if too many were wrong.
pub fn may_guess(app: &AppState, extensions: &Extensions, headers: &HeaderMap) -> Result<(), Error> {
    let client = ClientAddress::read(extensions, headers, &app.settings.trust);
    let Some(network) = network(app, &client) else { return Ok(()) };
    let standing = app.limits.check(Policy::FailedCredentials, network, app.live_replicas());
    standing.map(drop).map_err(refused)
}

/// The answer to wrong credentials: `unauthorized`, or 429 if that was one too many.
pub fn failed_credentials(
    app: &AppState,
    (extensions, headers): (&Extensions, &HeaderMap),
    unauthorized: Error,
) -> Error {
    let client = ClientAddress::read(extensions, headers, &app.settings.trust);
    counted(app, Policy::FailedCredentials, &client, unauthorized)
}

/// A failure that takes a token of the client's network, or 429.
fn counted(app: &AppState, policy: Policy, client: &ClientAddress, failure: Error) -> Error {
    let Some(network) = network(app, client) else { return failure };
    match app.limits.take(policy, network, app.live_replicas()) {
        Ok(standing) => failure.with_headers(headers(&standing)),
        Err(standing) => refused(standing),
    }
}

/// 429: the client's last request of this kind is not answered yet.
pub(super) fn in_progress() -> Error {
    let detail = "Another request of this kind is still in progress for this client";
    Error::new(StatusCode::TOO_MANY_REQUESTS, "request_in_progress", detail).with_retry_after(1)
}

/// 429, with the client's standing and when to come back.
fn refused(standing: Standing) -> Error {
    let detail = "Too many requests of this kind, please try again later";
    Error::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
        .with_retry_after(u32::try_from(seconds(standing.next)).unwrap_or(u32::MAX))
        .with_headers(headers(&standing))
}

/// `RateLimit` and `RateLimit-Policy`, as draft-ietf-httpapi-ratelimit-headers has them.
fn headers(standing: &Standing) -> HeaderMap {
    let Standing { policy, limit, left, next } = *standing;
    let name = policy.name();
    let values = [
        (RATE_LIMIT_POLICY, format!("\"{name}\";q={};w={}", limit.tokens, limit.window.as_secs())),
        (RATE_LIMIT, format!("\"{name}\";r={left};t={}", seconds(next))),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
}

/// Whole seconds, rounded up, one at least.
fn seconds(time: Duration) -> u64 {
    (time.as_secs_f64().ceil() as u64).max(1)
}
