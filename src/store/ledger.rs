//! The ledger of events as its followers read it: in the order of ids, from a place on, up to a watermark.

use super::EventFilter;
use crate::{
    db::{Result, Store, columns::event_columns, on_pool},
    domain::{Event, EventType, UserId, clock::Timestamp, rollup::first_moment},
};

const BETWEEN: &str = concat!(
    "SELECT ",
    event_columns!(),
    r",
        (SELECT urls.user_id FROM urls WHERE urls.id = events.url_id) AS owner
    FROM events
    WHERE id > $1 AND id <= $2
    ORDER BY id
    LIMIT $3
    ",
);
const LAST_UNTIL: &str = "SELECT timestamp FROM events WHERE id <= $1 ORDER BY id DESC LIMIT 1";

pub(crate) const STATEMENTS: &[&str] = &[BETWEEN, LAST_UNTIL];

/// An event, and what it takes to tell who sees it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LedgerEvent {
    /// The event.
    #[sqlx(flatten)]
    pub event: Event,
    /// Whose the link is now; none if it is gone.
    pub owner: Option<UserId>,
}

/// Clicks that a follower asked for may have been deleted for their age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// From when on every click is there.
    pub kept_since: Timestamp,
}

impl EventFilter {
    /// Whether the filter lets this event pass, as `GET /events` would list it.
    pub fn passes(&self, row: &LedgerEvent) -> bool {
        let LedgerEvent { event, owner } = row;
        let is_seen = |user| event.user_id == Some(user) || *owner == Some(user);
        self.owner.is_none_or(is_seen)
            && self.url_id.is_none_or(|id| id == event.url_id)
            && self.user_id.is_none_or(|id| Some(id) == event.user_id)
            && self.event_type.as_ref().is_none_or(|wanted| *wanted == event.event_type)
            && self.time.after.is_none_or(|from| event.timestamp >= from)
            && self.time.before.is_none_or(|end| event.timestamp < end)
    }
}

impl Store {
    /// At most `limit` events with ids beyond `after` and up to `until`, in the order of ids.
    pub async fn events_between(&self, after: i64, until: i64, limit: u32) -> Result<Vec<LedgerEvent>> {
        Ok(on_pool!(self, |pool| {
            sqlx::query_as(BETWEEN).bind(after).bind(until).bind(i64::from(limit)).fetch_all(pool).await
        })?)
    }

    /// What may be missing of the events after this id, of those that pass the filter. Judged by the last event up to
    /// there: if it is older than the clicks that are kept, later ones may be gone.
    pub async fn gap_after(&self, after: i64, filter: &EventFilter) -> Result<Option<Gap>> {
        if filter.event_type.as_ref().is_some_and(|wanted| *wanted != EventType::click()) {
            return Ok(None);
        }
        let Some(day) = self.clicks_kept_since().await? else { return Ok(None) };
        let kept_since = first_moment(day);
        let last: Option<Timestamp> =
            on_pool!(self, |pool| sqlx::query_scalar(LAST_UNTIL).bind(after).fetch_optional(pool).await)?;
        Ok(last.is_none_or(|last| last < kept_since).then_some(Gap { kept_since }))
    }
}
