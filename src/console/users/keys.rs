//! A user's keys. A key is shown once, in the answer to the form that makes it.

use axum::{
    extract::Path,
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::one::{UserPage, number};
use crate::{
    console::{fault::Fault, format::When, frame::show, posted::Posted, visit::Visit},
    domain::clock::Timestamp,
};

/// Keys that a page shows at most.
const SHOWN: usize = 200;

#[derive(Debug, Deserialize)]
struct Kept {
    id: i64,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// A key as the page shows it.
pub(super) struct Key {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) scopes: String,
    pub(super) created: When,
    pub(super) used: Option<When>,
    pub(super) state: &'static str,
    /// When it expires or was revoked.
    pub(super) end: Option<When>,
}

/// A key that was just made.
#[derive(Debug, Deserialize)]
pub(super) struct MadeKey {
    pub(super) name: String,
    pub(super) key: String,
}

impl Key {
    /// A user's keys, those in force first.
    pub(super) async fn of(visit: &Visit, user: i64) -> Result<Vec<Self>, Fault> {
        let kept: Vec<Kept> = visit.read(&format!("/users/{user}/keys?per_page={SHOWN}")).await?;
        let mut keys: Vec<Self> = kept.into_iter().map(|key| Self::shown(key, visit.now())).collect();
        keys.sort_by_key(|key| (key.state != "active", std::cmp::Reverse(key.id)));
        Ok(keys)
    }

    fn shown(key: Kept, now: Timestamp) -> Self {
        let (state, end) = match (key.revoked_at, key.expires_at) {
            (Some(revoked), _) => ("revoked", Some(revoked)),
            (None, Some(end)) if end <= now => ("expired", Some(end)),
            (None, end) => ("active", end),
        };
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.join(", "),
            created: When::new(key.created_at, now),
            used: key.last_used_at.map(|used| When::new(used, now)),
            state,
            end: end.map(|end| When::new(end, now)),
        }
    }
}

/// Makes a key and shows it, this once.
pub(in crate::console) async fn create(visit: Visit, Path(id): Path<String>, form: Posted) -> Result<Response, Fault> {
    let id = number(&id)?;
    let scopes: Vec<&str> = form.all("scope").collect();
    let mut key = json!({ "name": form.text("name").trim(), "scopes": scopes });
    let end = form.text("expires").trim();
    if !end.is_empty() {
        key["expires_at"] = format!("{end}T00:00:00Z").into();
    }
    match visit.ask(Method::POST, &format!("/users/{id}/keys"), Some(&key)).await {
        Ok(answer) => {
            let made = Some(answer.read()?);
            show(&UserPage { made, ..UserPage::of(&visit, id).await? })
        }
        Err(fault) if fault.code == "keys_need_credentials" || fault.code == "scopes_exceeded" => {
            UserPage::again(&visit, id, Fault { code: "scope_missing".to_owned(), ..fault }).await
        }
        Err(fault) => UserPage::again(&visit, id, fault).await,
    }
}

/// Revokes a key, and with it those that it made.
pub(in crate::console) async fn revoke(
    visit: Visit,
    Path((user, key)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let (user, key) = (number(&user)?, number(&key)?);
    visit.ask(Method::DELETE, &format!("/users/{user}/keys/{key}"), None).await?;
    Ok(Redirect::to(&format!("/console/users/{user}")).into_response())
}
