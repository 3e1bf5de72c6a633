//! `/events`.

use axum::{Json, extract::State, response::Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    db::{Store, StoreError},
    domain::{
        Caller, Cursor, Details, Event, EventId, EventType, NewEvent, UrlId, UserId,
        clock::Timestamp,
        page::{PageStart, Sort, SortKey},
    },
    http::{
        Error,
        extract::{JsonObject, ListQuery, Named, Resource},
        field::{Faults, Field},
        idempotency::Idempotency,
        list::{self, ListPermit, Rows},
        openapi::{EventFilters, EventOrder, IdempotencyKey, Paging},
    },
    state::AppState,
    store::EventFilter,
};

/// An event to be stored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "event_type": "click",
    "url_id": 1,
    "user_id": 1,
    "details": {"referrer": "news.example.com"},
}))]
pub struct CreateEvent {
    /// What kind of thing happened; not `created`, `updated` or `deleted`, which the service alone writes.
    #[serde(default)]
    #[schema(value_type = EventType, required = true)]
    event_type: Field<EventType>,
    /// The link it is about.
    #[serde(default)]
    #[schema(value_type = UrlId, required = true)]
    url_id: Field<UrlId>,
    /// Who did it; null for an anonymous visitor.
    #[serde(default)]
    #[schema(value_type = Option<UserId>)]
    user_id: Field<UserId>,
    /// More about it, an object of at most 8 KiB; `{}` if it is left out. The service sets `by` in it.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    details: Field<Details>,
}

struct EventRows {
    store: Store,
    filter: EventFilter,
    sort: Sort,
}

impl Rows for EventRows {
    type Row = Event;

    async fn fetch(&self, start: PageStart, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.store.events(&self.filter, self.sort, start, limit).await
    }

    async fn count(&self) -> Result<i64, StoreError> {
        self.store.count_events(&self.filter).await
    }

    fn cursor(&self, row: &Event) -> Cursor {
        Cursor::after(row.id.0)
    }

    fn sort(&self) -> Sort {
        self.sort
    }
}

/// Lists events: every one, or a page. Newest last, unless `sort=-id` asks for the newest first.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(EventFilters, EventOrder, Paging),
    responses((status = 200, description = "The events", body = Vec<Event>)),
)]
pub async fn list_events(
    State(app): State<AppState>,
    caller: Caller,
    permit: ListPermit,
    query: ListQuery,
) -> Result<Response, Error> {
    let filter = filter(&caller, &query)?;
    let sort = query.sort(&[SortKey::Id])?;
    let store = app.flushed_store().await?.for_lists();
    list::respond("/events", &query, permit, EventRows { store, filter, sort }).await
}

/// The events that a caller asks for, of those that they may see.
pub(super) fn filter(caller: &Caller, query: &ListQuery) -> Result<EventFilter, Error> {
    Ok(EventFilter {
        owner: caller.owner(),
        url_id: query.get("url_id")?,
        user_id: query.get("user_id")?,
        event_type: query.get("event_type")?,
        time: query.span("timestamp_after", "timestamp_before")?,
    })
}

/// Stores an event.
#[utoipa::path(
    post,
    path = "/events",
    tag = "events",
    request_body = CreateEvent,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The event", body = Event),
        (status = 404, description = "`url_not_found` or `user_not_found`"),
    ),
)]
pub async fn create_event(
    State(app): State<AppState>,
    idempotency: Idempotency,
    JsonObject { value, others, bytes }: JsonObject<CreateEvent>,
) -> axum::response::Result<Response> {
    let event = value.check(others.into_faults(), app.clock.now(), &idempotency.caller())?;
    let mut attempt = idempotency.begin(&app, &bytes).await?;
    let created = attempt.tx().await?.create_event(&event).await;
    Ok(attempt.finish(created).await?)
}

/// One event.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = "events",
    params(("id" = EventId, Path)),
    responses((status = 200, description = "The event", body = Event)),
)]
pub async fn read_event(
    State(app): State<AppState>,
    caller: Caller,
    Named(id): Named<EventId>,
) -> Result<Json<Event>, Error> {
    app.reading_store().await?.event(id, caller.owner()).await?.map(Json).ok_or_else(EventId::not_found)
}

impl CreateEvent {
    /// The event, whose details name the caller if credentials are in force.
    fn check(self, mut faults: Faults, timestamp: Timestamp, caller: &Caller) -> Result<NewEvent, Error> {
        let user_id = self.user_id.nullable("user_id", &mut faults).flatten();
        // Null is refused: `details` is an object or left out.
        let details = self.details.meeting(|details| details.clone().by(caller).check_short());
        let details = details.optional("details", &mut faults).unwrap_or_else(Details::none).by(caller);
        let event_type = self.event_type.meeting(EventType::check_postable).required("event_type", &mut faults);
        let url_id = self.url_id.required("url_id", &mut faults);
        let required = event_type.zip(url_id);
        faults.check(required.map(|(event_type, url_id)| NewEvent { url_id, user_id, event_type, timestamp, details }))
    }
}
