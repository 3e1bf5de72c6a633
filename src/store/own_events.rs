//! The events that a user's key sees: those by the user, and those about links that are theirs now.
//!
//! Promises: a page costs what the user's own links and their next events cost, however many events others have. The two kinds
//! are read each along its index and put together; an event of both kinds comes once.

use sqlx::QueryBuilder;

use super::EventFilter;
use crate::{
    db::{Result, Store, dialect::Sql, on_pool},
    domain::{Event, EventType, UserId},
};

// Put together in `select`. The words that differ: SQLite has no LATERAL, and PostgreSQL would run the subquery of IN for each event.
const ABOUT_LINKS: Sql = Sql {
    postgres: " UNION SELECT e.id, e.url_id, e.user_id, e.event_type, e.timestamp, e.details FROM urls u CROSS JOIN LATERAL \
               (SELECT id, url_id, user_id, event_type, timestamp, details FROM events WHERE url_id = u.id AND id > ",
    sqlite: " UNION SELECT e.id, e.url_id, e.user_id, e.event_type, e.timestamp, e.details FROM urls u JOIN events e ON e.id IN \
             (SELECT id FROM events WHERE url_id = u.id AND id > ",
};
const OF_USER: Sql = Sql { postgres: ") e WHERE u.user_id = ", sqlite: ") WHERE u.user_id = " };
const BY_USER: &str = " FROM (SELECT * FROM (SELECT id, url_id, user_id, event_type, timestamp, details FROM events \
                       WHERE user_id IS NOT NULL AND id > ";

/// Adds the part of a statement that follows its list of columns. `$limit` bounds what is read of each kind.
macro_rules! select {
    ($db:ident, $embedded:expr, $head:expr, $owner:expr, $after:expr, $event_type:expr, $limit:expr) => {{
        let mut statement = QueryBuilder::<$db>::new($head);
        let filter = |statement: &mut QueryBuilder<$db>| {
            if let Some(event_type) = $event_type {
                // Said in words, so that the indexes of clicks, and those without them, can be used.
                if *event_type == EventType::click() {
                    statement.push(" AND event_type = 'click'");
                } else {
                    statement.push(" AND event_type <> 'click' AND event_type = ").push_bind(event_type.clone());
                }
            }
            if let Some(limit) = $limit {
                statement.push(" ORDER BY id LIMIT ").push_bind(limit);
            }
        };
        statement.push(BY_USER).push_bind($after).push(" AND user_id = ").push_bind($owner);
        filter(&mut statement);
        statement.push(") own").push(ABOUT_LINKS.on($embedded)).push_bind($after);
        filter(&mut statement);
        statement.push(OF_USER.on($embedded)).push_bind($owner).push(") mine");
        statement
    }};
}

impl Store {
    /// At most `limit` events that `owner` sees, after passing over `offset`, in `id` order from beyond `after`.
    pub(super) async fn own_events(
        &self,
        owner: UserId,
        event_type: Option<&EventType>,
        (after, offset): (i64, i64),
        limit: i64,
    ) -> Result<Vec<Event>> {
        let enough = Some(limit.saturating_add(offset));
        Ok(on_pool!(self, |pool, Db| {
            let columns = "SELECT id, url_id, user_id, event_type, timestamp, details";
            let mut statement = select!(Db, self.is_embedded(), columns, owner, after, event_type, enough);
            statement.push(" ORDER BY id LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset);
            statement.build_query_as().fetch_all(pool).await
        })?)
    }

    /// How many events `owner` sees.
    pub(super) async fn count_own_events(&self, owner: UserId, event_type: Option<&EventType>) -> Result<i64> {
        let all: Option<i64> = None;
        Ok(on_pool!(self, |pool, Db| {
            let mut statement = select!(Db, self.is_embedded(), "SELECT count(*)", owner, 0_i64, event_type, all);
            statement.build_query_scalar().fetch_one(pool).await
        })?)
    }
}

impl EventFilter {
    /// Whose events are meant, and of which type, where nothing else narrows them down.
    pub(super) fn all_of_owner(&self) -> Option<(UserId, Option<&EventType>)> {
        let owner = self.owner.filter(|_| self.url_id.is_none() && self.user_id.is_none())?;
        Some((owner, self.event_type.as_ref()))
    }
}
