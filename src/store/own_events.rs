//! The events that a user's key sees: those by the user, and those about links that are theirs now.
//!
//! Promises: a page costs what the user's own links and their next events cost, however many events others have. Each
//! of the two kinds is read along its index; an event of both kinds comes once.

use super::{EventFilter, paging::bounds, select::Select};
use crate::{
    db::{Result, Store, columns::event_columns, dialect::Sql},
    domain::{Event, EventType, UserId, page::PageStart},
};

const BY_USER: &str =
    concat!(" FROM (SELECT * FROM (SELECT ", event_columns!(), " FROM events WHERE user_id IS NOT NULL AND id > ");
// SQLite has no LATERAL, and PostgreSQL would run the subquery of IN for each event.
const ABOUT_LINKS: Sql = Sql {
    postgres: concat!(
        ") own UNION SELECT e.* FROM urls u CROSS JOIN LATERAL (SELECT ",
        event_columns!(),
        " FROM events WHERE url_id = u.id AND id > "
    ),
    sqlite: ") own UNION SELECT e.* FROM urls u JOIN events e ON e.id IN \
             (SELECT id FROM events WHERE url_id = u.id AND id > ",
};
const OF_USER: Sql = Sql { postgres: ") e WHERE u.user_id = ", sqlite: ") WHERE u.user_id = " };

/// What is read of each of the two kinds.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    after: i64,
    event_type: Option<&'a EventType>,
    limit: Option<i64>,
}

impl Part<'_> {
    /// Adds what narrows the events of one kind down.
    fn narrow(self, select: Select) -> Select {
        let select = select.of_type(self.event_type);
        match self.limit {
            Some(limit) => select.push(" ORDER BY id LIMIT ").bind(limit),
            None => select,
        }
    }

    /// A statement over the events that `owner` sees.
    fn select(self, head: &'static str, owner: UserId, embedded: bool) -> Select {
        let by_user = Select::new(head).push(BY_USER).bind(self.after).and("user_id = ", Some(owner));
        let about_links = self.narrow(by_user).push(ABOUT_LINKS.on(embedded)).bind(self.after);
        self.narrow(about_links).push(OF_USER.on(embedded)).bind(owner).push(") mine")
    }
}

impl Store {
    /// At most `limit` events that `owner` sees, in `id` order.
    pub(super) async fn own_events(
        &self,
        owner: UserId,
        event_type: Option<&EventType>,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let (after, offset) = bounds(start);
        let part = Part { after, event_type, limit: Some(i64::from(limit).saturating_add(offset)) };
        let select = part.select(concat!("SELECT ", event_columns!()), owner, self.is_embedded());
        select.page(" ORDER BY id", start, limit).rows(self).await
    }

    /// How many events `owner` sees.
    pub(super) async fn count_own_events(&self, owner: UserId, event_type: Option<&EventType>) -> Result<i64> {
        let part = Part { after: 0, event_type, limit: None };
        part.select("SELECT count(*)", owner, self.is_embedded()).count(self).await
    }
}

impl EventFilter {
    /// Whose events are meant, and of which type, if nothing else narrows them down.
    pub(super) fn all_of_owner(&self) -> Option<(UserId, Option<&EventType>)> {
        let owner = self.owner.filter(|_| self.url_id.is_none() && self.user_id.is_none())?;
        Some((owner, self.event_type.as_ref()))
    }
}
