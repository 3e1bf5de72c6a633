//! `/me`: who a client is by its credentials.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{Caller, KeyId, Scope, Scopes, UserId, clock::Timestamp},
    http::Error,
    state::AppState,
};

/// What the credentials say.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// Whose they are: `key`, `admin` (the administrator's token), or `open` if the API needs none.
    #[schema(pattern = "^(key|admin|open)$", example = "key")]
    kind: &'static str,
    /// The key.
    #[schema(required = true)]
    key_id: Option<KeyId>,
    /// The user whom the key acts for.
    #[schema(required = true)]
    user_id: Option<UserId>,
    /// What they allow.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// When the key expires, UTC; null if it does not.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Whether they see and do everything.
    admin: bool,
}

/// Who the client is: the user, scopes and expiry of its key.
#[utoipa::path(
    get,
    path = "/me",
    tag = "keys",
    responses((status = 200, description = "Who it is", body = Me)),
)]
pub async fn me(State(app): State<AppState>, caller: Caller) -> Result<Json<Me>, Error> {
    let (kind, key) = match caller {
        Caller::Open => ("open", None),
        Caller::Admin => ("admin", None),
        Caller::Key(holder) => ("key", Some(holder)),
    };
    let expires_at = match key {
        Some(holder) => app.store()?.key_expiry(holder.id).await?,
        None => None,
    };
    Ok(Json(Me {
        kind,
        key_id: key.map(|key| key.id),
        user_id: caller.user(),
        scopes: key.map_or(Scopes::ADMIN, |key| key.scopes),
        expires_at,
        admin: caller.may(Scope::Admin),
    }))
}
