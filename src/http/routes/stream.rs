//! `GET /events/stream`: events as they are committed, as server-sent events.
//!
//! Promises: a client that names the last event it got misses none after it and gets none twice, whichever replica it
//! asks; a key that is no longer good is told nothing more. What a client missed is read from the ledger at its own
//! pace; then it listens to the replica's feed.

use std::{convert::Infallible, str::FromStr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::events;
use crate::{
    db::Result as StoreResult,
    domain::{
        Caller, Cursor, EventId, Invalid, Secret,
        page::{PageStart, Sort},
    },
    feed::{Chunk, Listener, frame},
    http::{
        Error,
        access::bearer,
        extract::ListQuery,
        openapi::{After as AfterParameter, EventFilters, LastEventId},
    },
    state::AppState,
    store::EventFilter,
};

const PING_EVERY: Duration = Duration::from_secs(15);
/// Events that are read at a time of what a client missed.
const PAGE: u32 = 500;
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const UNCHANGED: HeaderValue = HeaderValue::from_static("no-store, no-transform");
/// Asks Nginx and its like to pass on what comes as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How soon a client comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";
const PING: Bytes = Bytes::from_static(b": ping\n\n");
/// The replica shuts down: another one goes on.
const BYE: Bytes = Bytes::from_static(b"event: bye\ndata: {}\n\n");

/// Events as they happen, from now on or after an event that the client names.
///
/// Each message has the event's id as its `id`, its type as its `event`, and the event as its `data`. `event: gap`
/// comes first if clicks after the named event were deleted for their age; `event: bye` comes last if the replica
/// shuts down. A comment comes every 15 seconds. A client that does not keep up is cut off.
#[utoipa::path(
    get,
    path = "/events/stream",
    tag = "events",
    params(EventFilters, AfterParameter, LastEventId),
    responses(
        (status = 200, description = "The events, without end", body = String, content_type = "text/event-stream"),
        (status = 503, description = "`database_unavailable`, `request_timeout`, `overloaded`: the replica has 100 \
                                      streams already, or `draining`"),
    ),
)]
pub async fn stream_events(State(app): State<AppState>, caller: Caller, request: Request) -> Result<Response, Error> {
    if app.draining.is_cancelled() {
        return Err(Error::unavailable("draining", "This replica shuts down, please try again"));
    }
    // Only the query counts: no body is kept for a stream.
    let (parts, _) = request.into_parts();
    let headers = parts.headers.clone();
    let query = ListQuery::from_request(Request::from_parts(parts, Body::empty()), &app).await?;
    let filter = events::filter(&caller, &query)?;
    let after = place(&headers, &query)?;
    let secret = if matches!(caller, Caller::Key(_)) { Secret::parse(bearer(&headers)?) } else { None };
    app.store()?;
    let listener = app.feed.listen().ok_or_else(Error::overloaded)?;
    let position = listener.position().await.ok_or_else(Error::too_slow)?;
    let opening = opening(&app, after, &filter).await?;
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follower = Follower {
        seen: after.unwrap_or(position),
        goal: position,
        pending: None,
        is_live: false,
        ping,
        said_bye: false,
        app,
        filter,
        secret,
        listener,
    };
    let messages = stream::unfold(follower, Follower::next);
    let messages = stream::once(async { opening }).chain(messages);
    let body = Body::from_stream(messages.map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, EVENT_STREAM),
        (header::CACHE_CONTROL, UNCHANGED),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

/// The id that a client goes on after; 0 for everything there is.
struct After(i64);

impl FromStr for After {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "0" { Ok(Self(0)) } else { text.parse::<EventId>().map(|id| Self(id.0)) }
    }
}

/// Where the client goes on: the header that browsers send when they come back, else the parameter.
fn place(headers: &HeaderMap, query: &ListQuery) -> Result<Option<i64>, Error> {
    let last = headers.get(&LAST_EVENT_ID).map(HeaderValue::as_bytes).filter(|last| !last.is_empty());
    let Some(last) = last else { return Ok(query.get::<After>("after")?.map(|after| after.0)) };
    let last = std::str::from_utf8(last).map_err(|_| Invalid("must be the id of an event"));
    let after = last.and_then(str::parse::<After>).map_err(|fault| Error::invalid_field("Last-Event-ID", fault))?;
    Ok(Some(after.0))
}

/// The first message: what is always said, and the gap before what follows.
async fn opening(app: &AppState, after: Option<i64>, filter: &EventFilter) -> Result<Bytes, Error> {
    let gap = match after {
        Some(after) => app.store()?.for_lists().gap_after(after, filter).await?.map(|gap| (after, gap)),
        None => None,
    };
    let gap = gap.map(|(after, gap)| {
        let data = serde_json::json!({ "after": after, "kept_since": gap.kept_since });
        format!("event: gap\ndata: {data}\n\n")
    });
    Ok(format!("{RETRY}{}", gap.unwrap_or_default()).into())
}

/// A client that follows the events.
struct Follower {
    app: AppState,
    filter: EventFilter,
    /// The client's key, which may be revoked at any time.
    secret: Option<Secret>,
    listener: Listener,
    /// The client has all events up to this id.
    seen: i64,
    /// Up to this id it gets them from the ledger.
    goal: i64,
    /// What follows them.
    pending: Option<Arc<Chunk>>,
    /// Whether it has caught up once: from then on it has to keep up.
    is_live: bool,
    ping: Interval,
    said_bye: bool,
}

impl Follower {
    /// The next message, or several; none at the end of the stream.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if self.said_bye {
                return None;
            }
            if self.app.draining.is_cancelled() {
                self.said_bye = true;
                return Some((BYE, self));
            }
            let text = if self.seen < self.goal {
                self.catch_up().await.inspect_err(|error| tracing::debug!(%error, "a stream broke off")).ok()?
            } else if let Some(chunk) = self.pending.take() {
                self.is_live = true;
                self.pass_on(&chunk)
            } else {
                self.listen().await?
            };
            if !text.is_empty() {
                let is_ping = text == PING;
                // During an outage nothing is told, and no key can be checked.
                return self.is_let_in().await.unwrap_or(is_ping).then_some((text, self));
            }
        }
    }

    /// What comes next: nothing yet if it is a chunk, which is put aside.
    async fn listen(&mut self) -> Option<Bytes> {
        let draining = self.app.draining.clone();
        let may_miss = !self.is_live;
        tokio::select! {
            biased;
            () = draining.cancelled() => {}
            chunk = self.listener.next(may_miss) => {
                let chunk = chunk?;
                // Chunks before it were missed, or the reader began anew: the ledger has what they held.
                self.goal = self.goal.max(chunk.after);
                self.pending = Some(chunk);
            }
            _ = self.ping.tick() => return Some(PING),
        }
        Some(Bytes::new())
    }

    /// The next page of what the client missed.
    async fn catch_up(&mut self) -> StoreResult<Bytes> {
        let start = PageStart::After(Cursor::after(self.seen));
        let events = self.app.store()?.for_lists().events(&self.filter, Sort::default(), start, PAGE).await?;
        let is_last = events.len() < PAGE as usize || events.last().is_none_or(|last| last.id.0 >= self.goal);
        let mut text = BytesMut::new();
        for event in events.iter().take_while(|event| event.id.0 <= self.goal) {
            text.extend_from_slice(&frame(event));
            self.seen = event.id.0;
        }
        if is_last {
            self.seen = self.goal;
        }
        Ok(text.freeze())
    }

    /// Those of a chunk's events that the client is to see.
    fn pass_on(&mut self, chunk: &Chunk) -> Bytes {
        let mut text = BytesMut::new();
        for (row, frame) in &chunk.events {
            if row.event.id.0 > self.seen && self.filter.passes(row) {
                text.extend_from_slice(frame);
            }
        }
        self.seen = self.seen.max(chunk.until);
        text.freeze()
    }

    /// Whether the client's key is still good.
    async fn is_let_in(&self) -> StoreResult<bool> {
        let Some(secret) = &self.secret else { return Ok(true) };
        Ok(self.app.holder(secret).await?.is_some())
    }
}
