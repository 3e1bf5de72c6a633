//! Events in the database.

use super::{own_events::Seen, select::Select};
use crate::{
    db::{Result, Store, StoreError, Tx, columns::event_columns, on_pool, on_tx},
    domain::{
        Event, EventId, EventType, NewEvent, UrlId, UserId,
        clock::Span,
        page::{PageStart, Sort},
    },
    stats::Counted,
};

const BY_ID: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE id = $1");
const BY_ID_OF: &str = concat!(
    "SELECT ",
    event_columns!(),
    r"
    FROM events
    WHERE id = $1
        AND (user_id = $2 OR url_id IN (SELECT id FROM urls WHERE user_id = $2))
    ",
);
const INSERT: &str = concat!(
    r"
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING ",
    event_columns!(),
);
const USER_EXISTS: &str = "SELECT count(*) FROM users WHERE id = $1";

// The beginning of the list and of its count; conditions follow in `filtered`.
const LIST: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE TRUE");
const COUNT: &str = "SELECT 1 FROM events WHERE TRUE";

pub(crate) const STATEMENTS: &[&str] = &[BY_ID, BY_ID_OF, INSERT, USER_EXISTS];

/// Which events a list holds; `None` takes all.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only those by this user or about a link that is theirs now: all that a caller may see.
    pub owner: Option<UserId>,
    /// Only those about this link.
    pub url_id: Option<UrlId>,
    /// Only those by this user.
    pub user_id: Option<UserId>,
    /// Only those of this type.
    pub event_type: Option<EventType>,
    /// Only those that happened within it.
    pub time: Span,
}

/// A statement over events with the conditions of a `filter` without an owner.
fn filtered(head: &'static str, filter: &EventFilter) -> Select {
    let select = Select::new(head).and("url_id = ", filter.url_id).and("user_id = ", filter.user_id);
    select.of_type(filter.event_type.as_ref()).within("timestamp", filter.time)
}

impl Select {
    /// Adds the condition that an event is of this type, in words that let the partial indexes be used: those of clicks
    /// alone, and those without clicks.
    #[must_use]
    pub(super) fn of_type(self, event_type: Option<&EventType>) -> Self {
        match event_type {
            None => self,
            Some(click) if *click == EventType::click() => self.push(" AND event_type = 'click'"),
            Some(other) => self.push(" AND event_type <> 'click'").and("event_type = ", Some(other.clone())),
        }
    }
}

impl Store {
    /// The event with this id; if an owner is given, only one by them or about a link of theirs.
    pub async fn event(&self, id: EventId, owner: Option<UserId>) -> Result<Option<Event>> {
        Ok(on_pool!(self, |pool| match owner {
            None => sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await,
            Some(owner) => sqlx::query_as(BY_ID_OF).bind(id).bind(owner).fetch_optional(pool).await,
        })?)
    }

    /// At most `limit` events in the order of their ids.
    pub async fn events(&self, filter: &EventFilter, sort: Sort, start: PageStart, limit: u32) -> Result<Vec<Event>> {
        let filter = match self.seen(filter).await? {
            Seen::Nothing => return Ok(Vec::new()),
            Seen::Own(owner) => return self.own_events(owner, filter, sort, start, limit).await,
            Seen::Filtered(filter) => filter,
        };
        filtered(LIST, &filter).page(sort, "id", start, limit).rows(self).await
    }

    /// How many events pass the filter, [`MAX_COUNT`](crate::domain::page::MAX_COUNT) and one at most.
    pub async fn count_events(&self, filter: &EventFilter) -> Result<i64> {
        let filter = match self.seen(filter).await? {
            Seen::Nothing => return Ok(0),
            Seen::Own(owner) => return self.count_own_events(owner, filter).await,
            Seen::Filtered(filter) => filter,
        };
        filtered(COUNT, &filter).count(self).await
    }
}

impl Tx {
    /// Stores an event that a client posted.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the link or the user it names does not exist.
    pub async fn create_event(&mut self, event: &NewEvent) -> Result<Event> {
        if self.url_owner(event.url_id).await?.is_none() {
            return Err(StoreError::Missing("url_id"));
        }
        if let Some(user_id) = event.user_id {
            if !self.caller.sees(user_id) {
                return Err(StoreError::Missing("user_id"));
            }
            let users: i64 = on_tx!(self, |conn| sqlx::query_scalar(USER_EXISTS).bind(user_id).fetch_one(conn).await)?;
            if users == 0 {
                return Err(StoreError::Missing("user_id"));
            }
        }
        let stored = self.insert_event(event).await?;
        if stored.event_type == EventType::click() {
            self.count_event(&stored).await?;
        }
        Ok(stored)
    }

    /// Adds a click that a client posted to the rollups.
    async fn count_event(&mut self, event: &Event) -> Result<()> {
        let owner = self.owners(&[event.url_id]).await?.remove(&event.url_id);
        let click = Counted::posted(event.url_id, owner, event.timestamp, &event.details);
        self.roll_up(&[click].into_iter().collect()).await
    }

    pub(super) async fn insert_event(&mut self, event: &NewEvent) -> Result<Event> {
        Ok(on_tx!(self, |conn| {
            let statement = sqlx::query_as(INSERT).bind(event.url_id).bind(event.user_id).bind(&event.event_type);
            statement.bind(event.timestamp).bind(&event.details).fetch_one(conn).await
        })?)
    }
}
