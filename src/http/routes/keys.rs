//! `/users/{id}/keys`: keys with which programs act for a user.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    db::{Store, StoreError},
    domain::{
        ApiKey, Caller, Cursor, KeyId, KeyName, LimitMode, NewKey, Scopes, Secret, UserId,
        clock::Timestamp,
        key::{MAX_AN_HOUR, MAX_LIVE},
        page::PageStart,
    },
    http::{
        Error,
        extract::{JsonObject, ListQuery, Named, Nested, Resource},
        field::{Faults, Field},
        limits::Creation,
        list::{self, ListPermit, Rows},
        openapi::Paging,
    },
    state::AppState,
    store::KeyCounts,
};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "name": "deploy script",
    "scopes": ["links:read", "links:write"],
    "expires_at": "2030-01-01T00:00:00Z",
}))]
pub struct CreateKey {
    /// What people call it.
    #[serde(default)]
    #[schema(value_type = KeyName, required = true)]
    name: Field<KeyName>,
    /// What it allows.
    #[serde(default)]
    #[schema(value_type = Scopes, required = true)]
    scopes: Field<Scopes>,
    /// From when on it is refused, a time in the future. Left out or null, it does not expire.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Field<Timestamp>,
}

/// A key that was made. It is shown this once: only its digest is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedKey {
    #[serde(flatten)]
    kept: ApiKey,
    /// The key, for `Authorization: Bearer`.
    #[schema(pattern = "^buoy_[0-9A-Za-z]{46}$", min_length = 51, max_length = 51)]
    key: String,
}

struct KeyRows {
    store: Store,
    user: UserId,
}

impl Rows for KeyRows {
    type Row = ApiKey;

    async fn fetch(&self, start: PageStart, limit: u32) -> Result<Vec<ApiKey>, StoreError> {
        self.store.keys(self.user, start, limit).await
    }

    async fn count(&self) -> Result<i64, StoreError> {
        self.store.count_keys(self.user).await
    }

    fn cursor(&self, row: &ApiKey) -> Cursor {
        Cursor::after(row.id.0)
    }
}

/// Lists a user's keys in `id` order: every one, or a page.
///
/// Revoked keys are included. The keys themselves are not shown.
#[utoipa::path(
    get,
    path = "/users/{id}/keys",
    tag = "keys",
    params(("id" = UserId, Path), Paging),
    responses((status = 200, description = "The keys", body = Vec<ApiKey>)),
)]
pub async fn list_keys(
    State(app): State<AppState>,
    caller: Caller,
    permit: ListPermit,
    Named(user): Named<UserId>,
    query: ListQuery,
) -> Result<Response, Error> {
    let store = app.store()?.for_lists();
    existing(&store, caller, user).await?;
    list::respond(&format!("/users/{user}/keys"), &query, permit, KeyRows { store, user }).await
}

/// Makes a key and answers it, this once.
///
/// No key makes one with more scopes than its own, or for longer. An `Idempotency-Key` is ignored: it would keep the
/// answer, and the key with it.
#[utoipa::path(
    post,
    path = "/users/{id}/keys",
    tag = "keys",
    params(("id" = UserId, Path)),
    request_body = CreateKey,
    responses(
        (status = 201, description = "The key", body = CreatedKey),
        (status = 403, description = "`scope_missing`, `scopes_exceeded`; `keys_need_credentials` if the API is open"),
        (status = 409, description = "`too_many_keys`"),
    ),
)]
pub async fn create_key(
    State(app): State<AppState>,
    caller: Caller,
    creation: Creation,
    Named(user): Named<UserId>,
    body: JsonObject<CreateKey>,
) -> Result<Response, Error> {
    existing(app.store()?, caller, user).await?;
    if caller == Caller::Open {
        return Err(Error::new(StatusCode::FORBIDDEN, "keys_need_credentials", OPEN));
    }
    let now = app.clock.now();
    let new = body.value.check(body.others.into_faults(), user, now)?;
    let (made_by, new) = within(&app, caller, new).await?;
    let secret = Secret::generate();
    let _held = creation.hold(&app).await?;
    let mut tx = app.begin(caller).await?;
    let standing = creation.take(&app, &mut tx).await?;
    let counts = tx.key_counts(user, now).await?;
    let limited = made_by.is_some() && app.limits.mode() != LimitMode::Off;
    check(&counts, limited, now)?;
    let kept = tx.create_key(&new, &secret, made_by, now).await?.ok_or_else(revoked)?;
    app.commit(tx).await?;
    let location = format!("/users/{user}/keys/{}", kept.id);
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::LOCATION, location.as_str())];
    let body = Json(CreatedKey { kept, key: secret.expose().to_owned() });
    Ok((StatusCode::CREATED, standing, headers, body).into_response())
}

/// Revokes a key and those that were made with it, for good.
///
/// A key that is not there is gone already: 204 for the administrator, 404 for a user's key.
#[utoipa::path(
    delete,
    path = "/users/{id}/keys/{key_id}",
    tag = "keys",
    params(
        ("id" = UserId, Path),
        ("key_id" = KeyId, Path),
    ),
    responses((status = 204, description = "Revoked, or never there")),
)]
pub async fn revoke_key(
    State(app): State<AppState>,
    caller: Caller,
    Nested(user, key): Nested<UserId, KeyId>,
) -> Result<StatusCode, Error> {
    let mut tx = app.begin(caller).await?;
    let found = caller.sees(user) && tx.revoke_key(key, Some(user), app.clock.now()).await?;
    if !found && caller.owner().is_some() {
        return Err(KeyId::not_found());
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

const OPEN: &str = "The API is open, so no keys are made over HTTP: set ADMIN_TOKEN, or use `buoy key create`";

/// Refuses a user who is not there, or whom the caller may not see.
async fn existing(store: &Store, caller: Caller, user: UserId) -> Result<(), Error> {
    if !caller.sees(user) || store.user(user).await?.is_none() {
        return Err(UserId::not_found());
    }
    Ok(())
}

/// The new key within what the caller's own allows and no longer than it lasts, and the caller's own key.
async fn within(app: &AppState, caller: Caller, new: NewKey) -> Result<(Option<KeyId>, NewKey), Error> {
    let Caller::Key(holder) = caller else { return Ok((None, new)) };
    if !holder.scopes.cover(new.scopes) {
        let detail = format!("A key makes none with more scopes than its own: {}", holder.scopes);
        return Err(Error::new(StatusCode::FORBIDDEN, "scopes_exceeded", detail));
    }
    let own_end = app.store()?.key_expiry(holder.id).await?;
    let expires_at = match (own_end, new.expires_at) {
        (Some(own), Some(asked)) => Some(own.min(asked)),
        (own, asked) => own.or(asked),
    };
    Ok((Some(holder.id), NewKey { expires_at, ..new }))
}

/// Refuses a key beyond the number that a user may have, and, if it is `limited`, beyond those of an hour.
fn check(counts: &KeyCounts, limited: bool, now: Timestamp) -> Result<(), Error> {
    if counts.live >= MAX_LIVE {
        let detail = format!("The user has {MAX_LIVE} keys that are good: revoke one first");
        return Err(Error::new(StatusCode::CONFLICT, "too_many_keys", detail));
    }
    if limited && counts.made >= MAX_AN_HOUR {
        let detail = format!("Keys make {MAX_AN_HOUR} others of a user in an hour, please try again later");
        let wait = counts.first_made.map_or(0, |first| (first + TimeDelta::hours(1) - now).num_seconds() + 1);
        return Err(Error::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
            .with_retry_after(u32::try_from(wait).unwrap_or(1)));
    }
    Ok(())
}

/// The caller's own key was revoked while it made another.
fn revoked() -> Error {
    Error::new(StatusCode::UNAUTHORIZED, "credentials_invalid", "This key was revoked")
}

impl CreateKey {
    fn check(self, mut faults: Faults, user_id: UserId, now: Timestamp) -> Result<NewKey, Error> {
        let name = self.name.required("name", &mut faults);
        let scopes = self.scopes.required("scopes", &mut faults);
        let expires_at = self.expires_at.nullable("expires_at", &mut faults).flatten();
        if expires_at.is_some_and(|end| end <= now) {
            faults.note::<()>("expires_at", "must be a time to come");
        }
        let required = name.zip(scopes);
        faults.check(required.map(|(name, scopes)| NewKey { user_id, name, scopes, expires_at }))
    }
}
