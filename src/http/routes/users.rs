//! `/users`.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    db::{Store, StoreError},
    domain::{
        Caller, Cursor, Details, EmailAddress, NewUser, User, UserChanges, UserId, Username,
        page::{PageStart, Sort, SortKey},
    },
    http::{
        Error,
        extract::{JsonObject, ListQuery, Named, Resource, ToDelete},
        field::{Faults, Field},
        idempotency::Idempotency,
        list::{self, ListPermit, Rows},
        openapi::{IdempotencyKey, Order, Paging, UserFilters},
    },
    state::AppState,
    store::UserFilter,
};

/// A user to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"username": "tidyriver02", "email": "tidyriver02@relay.cloud"}))]
pub struct CreateUser {
    /// Unique name.
    #[serde(default)]
    #[schema(value_type = Username, required = true)]
    username: Field<Username>,
    /// Unique e-mail address.
    #[serde(default)]
    #[schema(value_type = EmailAddress, required = true)]
    email: Field<EmailAddress>,
}

/// Changes of a user; fields left out are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"email": "tidyriver02@example.com"}))]
pub struct UpdateUser {
    /// Unique name.
    #[serde(default)]
    #[schema(value_type = Option<Username>, nullable = false)]
    username: Field<Username>,
    /// Unique e-mail address.
    #[serde(default)]
    #[schema(value_type = Option<EmailAddress>, nullable = false)]
    email: Field<EmailAddress>,
}

struct UserRows {
    store: Store,
    filter: UserFilter,
    sort: Sort,
}

impl Rows for UserRows {
    type Row = User;

    async fn fetch(&self, start: PageStart, limit: u32) -> Result<Vec<User>, StoreError> {
        self.store.users(self.filter.clone(), self.sort, start, limit).await
    }

    async fn count(&self) -> Result<i64, StoreError> {
        self.store.count_users(self.filter.clone()).await
    }

    fn cursor(&self, row: &User) -> Cursor {
        let value = if self.sort.key == SortKey::Id { 0 } else { row.created_at.timestamp_micros() };
        Cursor { id: row.id.0, key: self.sort.key, value }
    }

    fn sort(&self) -> Sort {
        self.sort
    }
}

/// Lists users: every one, or a page. In `id` order, unless another one is asked for. A key sees its own user.
#[utoipa::path(
    get,
    path = "/users",
    tag = "users",
    params(UserFilters, Order, Paging),
    responses((status = 200, description = "The users", body = Vec<User>)),
)]
pub async fn list_users(
    State(app): State<AppState>,
    caller: Caller,
    permit: ListPermit,
    query: ListQuery,
) -> Result<Response, Error> {
    let filter = UserFilter {
        only: caller.owner(),
        username: query.get("username")?,
        email: query.get("email")?,
        created: query.span("created_after", "created_before")?,
    };
    let sort = query.sort(&[SortKey::Id, SortKey::CreatedAt])?;
    let rows = UserRows { store: app.store()?.for_lists(), filter, sort };
    list::respond("/users", &query, permit, rows).await
}

/// Creates a user.
#[utoipa::path(
    post,
    path = "/users",
    tag = "users",
    request_body = CreateUser,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The user", body = User),
        (status = 409, description = "`username_taken`, `email_taken`, or `idempotency_key_at_work`"),
    ),
)]
pub async fn create_user(
    State(app): State<AppState>,
    idempotency: Idempotency,
    JsonObject { value, others, bytes }: JsonObject<CreateUser>,
) -> axum::response::Result<Response> {
    let new = value.check(others.into_faults())?;
    let mut attempt = idempotency.begin(&app, &bytes).await?;
    let created = attempt.tx().await?.create_user(&new, app.clock.now()).await;
    Ok(attempt.finish(created).await?)
}

/// One user.
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "users",
    params(("id" = UserId, Path)),
    responses((status = 200, description = "The user", body = User)),
)]
pub async fn read_user(
    State(app): State<AppState>,
    caller: Caller,
    Named(id): Named<UserId>,
) -> Result<Json<User>, Error> {
    let user = app.reading_store().await?.user(id).await?.filter(|user| caller.sees(user.id));
    user.map(Json).ok_or_else(UserId::not_found)
}

/// Changes a user; fields left out are kept.
#[utoipa::path(
    method(put, patch),
    path = "/users/{id}",
    tag = "users",
    params(("id" = UserId, Path)),
    request_body = UpdateUser,
    responses(
        (status = 200, description = "The user", body = User),
        (status = 409, description = "`username_taken` or `email_taken`"),
    ),
)]
pub async fn update_user(
    State(app): State<AppState>,
    caller: Caller,
    Named(id): Named<UserId>,
    JsonObject { value, others, .. }: JsonObject<UpdateUser>,
) -> Result<Json<User>, Error> {
    let current = async { Ok(app.store()?.user(id).await?) };
    let changes = value.check(others.unless_repeated(current).await?.into_faults())?;
    let mut tx = app.begin(caller).await?;
    let user = tx.update_user(id, &changes).await?.ok_or_else(UserId::not_found)?;
    app.commit(tx).await?;
    Ok(Json(user))
}

/// Deletes a user and their links. A user who is not there is deleted already. Events stay.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    tag = "users",
    params(("id" = UserId, Path)),
    responses((status = 204, description = "Deleted, or never there")),
)]
pub async fn delete_user(
    State(app): State<AppState>,
    caller: Caller,
    ToDelete(id): ToDelete<UserId>,
) -> Result<StatusCode, Error> {
    let store = app.store()?;
    let Some(id) = id else { return Ok(StatusCode::NO_CONTENT) };
    let details = Details::of(&serde_json::json!({ "reason": "user_deleted" }));
    if let Some(committed) = store.delete_user(caller, id, app.clock.now(), &details).await? {
        app.settle(committed).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl CreateUser {
    fn check(self, mut faults: Faults) -> Result<NewUser, Error> {
        let username = self.username.required("username", &mut faults);
        let email = self.email.required("email", &mut faults);
        faults.check(username.zip(email).map(|(username, email)| NewUser { username, email }))
    }
}

impl UpdateUser {
    fn check(self, mut faults: Faults) -> Result<UserChanges, Error> {
        let username = self.username.optional("username", &mut faults);
        let email = self.email.optional("email", &mut faults);
        faults.check(Some(UserChanges { username, email }))
    }
}
