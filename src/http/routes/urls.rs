//! `/urls`.

mod body;

use std::str::FromStr;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use self::body::UrlBody;
use crate::{
    db::{Store, StoreError},
    domain::{
        Caller, Cursor, Details, DisabledReason, Invalid, NewUrl, Scope, ShortCode, TargetPolicy, TargetUrl, Title,
        Url, UrlChanges, UrlId, UserId,
        page::{PageStart, Sort, SortKey},
    },
    http::{
        Error,
        extract::{JsonObject, ListQuery, Named, PublicBase, Resource, ToDelete},
        field::{Faults, Field},
        idempotency::{Attempt, Idempotency, busy},
        limits::Creation,
        list::{self, ListPermit, Rows},
        openapi::{IdempotencyKey, IncludeClicks, Paging, UrlFilters},
    },
    state::AppState,
    store::{UrlFilter, urls::create::Created},
};

/// A link to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "user_id": 1,
    "original_url": "https://opswise.net/urban/lagoon/1",
    "title": "Roadmap update",
    "short_code": "roadmap",
}))]
pub struct CreateUrl {
    /// Its owner; with a key it may be left out, and is the key's user.
    #[serde(default)]
    #[schema(value_type = UserId, required = false)]
    user_id: Field<UserId>,
    /// The target.
    #[serde(default)]
    #[schema(value_type = TargetUrl, required = true)]
    original_url: Field<TargetUrl>,
    /// A title for people.
    #[serde(default)]
    #[schema(value_type = Option<Title>)]
    title: Field<Title>,
    /// A code of the client's choice; generated if it is left out.
    #[serde(default)]
    #[schema(value_type = Option<ShortCode>)]
    short_code: Field<ShortCode>,
}

/// Changes of a link; fields left out are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"title": "Roadmap update", "is_active": false}))]
pub struct UpdateUrl {
    /// A title for people; null, or an empty one, takes it away.
    #[serde(default)]
    #[schema(value_type = Option<Title>)]
    title: Field<Title>,
    /// Whether it can be followed.
    #[serde(default)]
    #[schema(value_type = Option<bool>, nullable = false)]
    is_active: Field<bool>,
    /// The target.
    #[serde(default)]
    #[schema(value_type = Option<TargetUrl>, nullable = false)]
    original_url: Field<TargetUrl>,
    /// Disables it for abuse, and says why; null enables it again. For the administrator alone.
    #[serde(default)]
    #[schema(value_type = Option<DisabledReason>)]
    disabled_reason: Field<DisabledReason>,
}

struct UrlRows {
    store: Store,
    filter: UrlFilter,
    base: PublicBase,
    with_clicks: bool,
    sort: Sort,
}

impl Rows for UrlRows {
    type Row = UrlBody;

    async fn fetch(&self, start: PageStart, limit: u32) -> Result<Vec<UrlBody>, StoreError> {
        let filter = self.filter.clone();
        if !self.with_clicks {
            let urls = self.store.urls(filter, self.sort, start, limit).await?;
            return Ok(urls.into_iter().map(|url| UrlBody::new(url, &self.base)).collect());
        }
        let counted = self.store.counted_urls(filter, self.sort, start, limit).await?;
        Ok(counted.into_iter().map(|url| UrlBody::counted(url, &self.base)).collect())
    }

    async fn count(&self) -> Result<i64, StoreError> {
        self.store.count_urls(self.filter.clone()).await
    }

    fn cursor(&self, row: &UrlBody) -> Cursor {
        let value = match self.sort.key {
            SortKey::Id => 0,
            SortKey::CreatedAt => row.created_at.timestamp_micros(),
            SortKey::Clicks => row.clicks.unwrap_or_default(),
        };
        Cursor { id: row.id.0, key: self.sort.key, value }
    }

    fn sort(&self) -> Sort {
        self.sort
    }
}

/// Lists links: every one, or a page. In `id` order, unless another one is asked for.
#[utoipa::path(
    get,
    path = "/urls",
    tag = "urls",
    params(UrlFilters, IncludeClicks, Paging),
    responses((status = 200, description = "The links", body = Vec<UrlBody>)),
)]
pub async fn list_urls(
    State(app): State<AppState>,
    caller: Caller,
    permit: ListPermit,
    base: PublicBase,
    query: ListQuery,
) -> Result<Response, Error> {
    let (user_id, is_active) = (query.get("user_id")?, query.flag("is_active")?);
    let short_code = query.get("short_code")?;
    let created = query.span("created_after", "created_before")?;
    let filter = UrlFilter { owner: caller.owner(), user_id, is_active, short_code, created };
    let sort = query.sort(&[SortKey::Id, SortKey::CreatedAt, SortKey::Clicks])?;
    let with_clicks = includes_clicks(&query)? || sort.key == SortKey::Clicks;
    let store = if with_clicks { app.counted_store().await? } else { app.store()?.for_lists() };
    list::respond("/urls", &query, permit, UrlRows { store, filter, base, with_clicks, sort }).await
}

/// Creates a link.
///
/// The same target twice makes two links with two codes.
#[utoipa::path(
    post,
    path = "/urls",
    tag = "urls",
    request_body = CreateUrl,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The link", body = UrlBody),
        (status = 404, description = "`user_not_found`"),
        (status = 409, description = "`short_code_taken` or `idempotency_key_at_work`"),
    ),
)]
pub async fn create_url(
    State(app): State<AppState>,
    idempotency: Idempotency,
    base: PublicBase,
    JsonObject { value, others, bytes }: JsonObject<CreateUrl>,
) -> axum::response::Result<Response> {
    let own = idempotency.caller().user();
    let new = value.check(others.into_faults(), own, &app.settings.targets, &base)?;
    let mut attempt = idempotency.begin_alone(&app, &bytes).await?;
    let created = create_alone(&app, &mut attempt, &new, &base).await;
    let untitled = created.as_ref().ok().filter(|url| url.title.is_none()).map(|url| url.id);
    let answer = attempt.finish(created.map(|url| UrlBody::new(url, &base))).await?;
    if let Some(id) = untitled {
        app.titles.look_up(id, &new.original_url);
    }
    Ok(answer)
}

/// Creates a link, and records its answer with it.
async fn create_alone(app: &AppState, attempt: &mut Attempt, new: &NewUrl, base: &PublicBase) -> Result<Url, Error> {
    let (bucket, now) = (attempt.creation.bucket(app), app.clock.now());
    let body = |url: &Url| serde_json::to_string(&UrlBody::new(url.clone(), base));
    let record = attempt.keyed.as_ref().map(|keyed| keyed.record(now, &body));
    match app.store()?.create_url_once(attempt.caller, bucket, record, new, now).await? {
        Created::Answered => Err(busy()),
        Created::Limited(wait) => Err(Creation::refused(app, wait)),
        Created::Link(url, committed, left) => {
            attempt.standing = Creation::headers(app, left);
            app.settle(committed).await;
            Ok(url)
        }
    }
}

/// One link.
#[utoipa::path(
    get,
    path = "/urls/{id}",
    tag = "urls",
    params(("id" = UrlId, Path), IncludeClicks),
    responses((status = 200, description = "The link", body = UrlBody)),
)]
pub async fn read_url(
    State(app): State<AppState>,
    caller: Caller,
    base: PublicBase,
    Named(id): Named<UrlId>,
    query: ListQuery,
) -> Result<Json<UrlBody>, Error> {
    let seen = |url: &Url| caller.sees(url.user_id);
    if includes_clicks(&query)? {
        let store = app.counted_store().await?;
        let url = store.counted_url(id).await?.filter(|counted| seen(&counted.url)).ok_or_else(UrlId::not_found)?;
        return Ok(Json(UrlBody::counted(url, &base)));
    }
    let url = app.reading_store().await?.url(id).await?.filter(seen).ok_or_else(UrlId::not_found)?;
    Ok(Json(UrlBody::new(url, &base)))
}

/// Whether the client asked for the clicks of each link.
fn includes_clicks(query: &ListQuery) -> Result<bool, Error> {
    Ok(query.get::<Included>("include")?.is_some())
}

/// What a link can be answered with beside its own fields.
struct Included;

impl FromStr for Included {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "clicks" { Ok(Self) } else { Err(Invalid("must be clicks")) }
    }
}

/// Changes a link; fields left out are kept.
///
/// A changed field moves `updated_at` and leaves an `updated` event.
#[utoipa::path(
    method(put, patch),
    path = "/urls/{id}",
    tag = "urls",
    params(("id" = UrlId, Path)),
    request_body = UpdateUrl,
    responses((status = 200, description = "The link", body = UrlBody)),
)]
pub async fn update_url(
    State(app): State<AppState>,
    caller: Caller,
    base: PublicBase,
    Named(id): Named<UrlId>,
    JsonObject { value, others, .. }: JsonObject<UpdateUrl>,
) -> Result<Json<UrlBody>, Error> {
    let current = async {
        let url = app.store()?.url(id).await?.filter(|url| caller.sees(url.user_id));
        Ok(url.map(|url| UrlBody::new(url, &base)))
    };
    let faults = others.unless_repeated(current).await?.into_faults();
    let changes = value.check(faults, &app.settings.targets, &base)?;
    if changes.disabled_reason.is_some() && !may_disable(caller) {
        return Err(Error::new(
            StatusCode::FORBIDDEN,
            "scope_missing",
            "Links are disabled and enabled by an administrator",
        ));
    }
    let updated = app.store()?.update_url(caller, id, &changes, app.clock.now()).await?;
    let (url, committed) = updated.ok_or_else(UrlId::not_found)?;
    app.settle(committed).await;
    Ok(Json(UrlBody::new(url, &base)))
}

/// Deletes a link.
///
/// A link that is not there is deleted already: 204 for the administrator, 404 for a user's key. The code is never
/// given to another link.
#[utoipa::path(
    delete,
    path = "/urls/{id}",
    tag = "urls",
    params(("id" = UrlId, Path)),
    responses((status = 204, description = "Deleted, or never there")),
)]
pub async fn delete_url(
    State(app): State<AppState>,
    caller: Caller,
    ToDelete(id): ToDelete<UrlId>,
) -> Result<StatusCode, Error> {
    let store = app.store()?;
    let missing = || if caller.owner().is_some() { Err(UrlId::not_found()) } else { Ok(StatusCode::NO_CONTENT) };
    let Some(id) = id else { return missing() };
    let details = Details::of(&serde_json::json!({ "reason": "user_requested" }));
    let Some(committed) = store.delete_url(caller, id, app.clock.now(), details).await? else { return missing() };
    app.settle(committed).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the caller may disable links and enable them again: an administrator alone may. If the API is open
/// everyone is one.
pub(super) fn may_disable(caller: Caller) -> bool {
    caller.may(Scope::Admin)
}

impl CreateUrl {
    /// Checks the body. `own` is the owner if it names none.
    fn check(
        self,
        mut faults: Faults,
        own: Option<UserId>,
        targets: &TargetPolicy,
        base: &PublicBase,
    ) -> Result<NewUrl, Error> {
        let title = self.title.nullable("title", &mut faults).flatten().filter(Title::is_given);
        let short_code = self.short_code.nullable("short_code", &mut faults).flatten();
        let user_id = match (self.user_id, own) {
            (Field::Missing, Some(own)) => Some(own),
            (given, _) => given.required("user_id", &mut faults),
        };
        let original_url = self.original_url.meeting(|target| base.check(targets, target));
        let original_url = original_url.required("original_url", &mut faults);
        let required = user_id.zip(original_url);
        faults.check(required.map(|(user_id, original_url)| NewUrl { user_id, original_url, title, short_code }))
    }
}

impl UpdateUrl {
    fn check(self, mut faults: Faults, targets: &TargetPolicy, base: &PublicBase) -> Result<UrlChanges, Error> {
        let title = self.title.nullable("title", &mut faults).map(|title| title.filter(Title::is_given));
        let is_active = self.is_active.optional("is_active", &mut faults);
        let original_url = self.original_url.meeting(|target| base.check(targets, target));
        let original_url = original_url.optional("original_url", &mut faults);
        let disabled_reason = self.disabled_reason.nullable("disabled_reason", &mut faults);
        faults.check(Some(UrlChanges { title, is_active, original_url, disabled_reason }))
    }
}
