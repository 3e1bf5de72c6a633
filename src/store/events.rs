//! Events in the database.

use sqlx::QueryBuilder;

use super::paging::bounds;
use crate::{
    db::{Result, Store, StoreError, Tx, on_pool, on_tx},
    domain::{Event, EventId, EventType, NewEvent, UrlId, UserId, page::PageStart},
    stats::Counted,
};

const BY_ID: &str = "SELECT id, url_id, user_id, event_type, timestamp, details FROM events WHERE id = $1";
const BY_ID_OF: &str = "SELECT id, url_id, user_id, event_type, timestamp, details FROM events \
                        WHERE id = $1 AND (user_id = $2 OR url_id IN (SELECT id FROM urls WHERE user_id = $2))";
const INSERT: &str = "INSERT INTO events (url_id, user_id, event_type, timestamp, details) \
                      VALUES ($1, $2, $3, $4, $5) RETURNING id, url_id, user_id, event_type, timestamp, details";
const USER_EXISTS: &str = "SELECT count(*) FROM users WHERE id = $1";

// Lists have optional filters; their statements are put together in `select`, from these parts.
const LIST: &str = "SELECT id, url_id, user_id, event_type, timestamp, details FROM events WHERE id > ";
const COUNT: &str = "SELECT count(*) FROM events WHERE id > ";

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
}

/// Adds a filter's conditions to a statement that ends in `id > `.
macro_rules! select {
    ($db:ident, $head:expr, $after:expr, $filter:expr) => {{
        let mut statement = QueryBuilder::<$db>::new($head);
        statement.push_bind($after);
        if let Some(owner) = $filter.owner {
            statement.push(" AND (user_id = ").push_bind(owner);
            statement.push(" OR url_id IN (SELECT id FROM urls WHERE user_id = ").push_bind(owner).push("))");
        }
        if let Some(url_id) = $filter.url_id {
            statement.push(" AND url_id = ").push_bind(url_id);
        }
        if let Some(user_id) = $filter.user_id {
            statement.push(" AND user_id = ").push_bind(user_id);
        }
        if let Some(event_type) = &$filter.event_type {
            // Said in words, so that the indexes of clicks, and those without them, can be used.
            if *event_type == EventType::click() {
                statement.push(" AND event_type = 'click'");
            } else {
                statement.push(" AND event_type <> 'click' AND event_type = ").push_bind(event_type.clone());
            }
        }
        statement
    }};
}

impl Store {
    /// The event with this id, where an owner is given only by them or about a link of theirs.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn event(&self, id: EventId, owner: Option<UserId>) -> Result<Option<Event>> {
        Ok(on_pool!(self, |pool| match owner {
            None => sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await,
            Some(owner) => sqlx::query_as(BY_ID_OF).bind(id).bind(owner).fetch_optional(pool).await,
        })?)
    }

    /// At most `limit` events in `id` order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn events(&self, filter: &EventFilter, start: PageStart, limit: u32) -> Result<Vec<Event>> {
        let (after, offset) = bounds(start);
        if let Some((owner, event_type)) = filter.all_of_owner() {
            return self.own_events(owner, event_type, (after, offset), i64::from(limit)).await;
        }
        Ok(on_pool!(self, |pool, Db| {
            let mut statement = select!(Db, LIST, after, filter);
            statement.push(" ORDER BY id LIMIT ").push_bind(i64::from(limit)).push(" OFFSET ").push_bind(offset);
            statement.build_query_as().fetch_all(pool).await
        })?)
    }

    /// How many events pass the filter.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn count_events(&self, filter: &EventFilter) -> Result<i64> {
        if let Some((owner, event_type)) = filter.all_of_owner() {
            return self.count_own_events(owner, event_type).await;
        }
        Ok(on_pool!(self, |pool, Db| select!(Db, COUNT, 0_i64, filter).build_query_scalar().fetch_one(pool).await)?)
    }
}

impl Tx {
    /// Stores an event that a client posted.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where the link or the user it names does not exist.
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
