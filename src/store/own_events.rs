//! The events that a user's key sees: those by the user, and those about links that are theirs now.
//!
//! Promises: no list walks over events that its reader does not see. A page costs what the user's own links and their
//! next events cost, however many events others have. Each of the two kinds is read along its index; an event of both
//! kinds comes once.

use super::{
    EventFilter,
    paging::{COUNTED, bounds},
    select::Select,
    urls,
};
use crate::{
    db::{Result, Store, columns::event_columns, dialect::Sql, on_pool},
    domain::{
        Event, UserId,
        page::{PageStart, Sort},
    },
};

// Put together in `Part::select`.
const BY_USER: &str =
    concat!("SELECT * FROM (SELECT ", event_columns!(), " FROM events WHERE user_id IS NOT NULL AND user_id = ");
const UNION_ALL: &str = ") own UNION ALL ";
// SQLite has no LATERAL, and PostgreSQL would run the subquery of IN for each event.
const ABOUT_LINKS: Sql = Sql {
    postgres: concat!(
        "SELECT e.* FROM urls u CROSS JOIN LATERAL (SELECT ",
        event_columns!(),
        " FROM events WHERE url_id = u.id"
    ),
    sqlite: "SELECT e.* FROM urls u JOIN events e ON e.id IN (SELECT id FROM events WHERE url_id = u.id",
};
const OF_USER: Sql = Sql { postgres: ") e WHERE u.user_id = ", sqlite: ") WHERE u.user_id = " };

/// The tables and conditions of the events that a filter leaves.
pub(super) enum Seen {
    /// There are none that its owner sees.
    Nothing,
    /// In one range of an index: the filter without the owner.
    Filtered(EventFilter),
    /// Among those by the owner and those about their links.
    Own(UserId),
}

/// What is read of each of the two kinds.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    filter: &'a EventFilter,
    sort: Sort,
    start: PageStart,
    limit: i64,
}

impl Part<'_> {
    /// Adds what narrows the events of one kind down.
    fn narrow(self, select: Select) -> Select {
        let select = select.beyond(self.sort, "id", self.start).of_type(self.filter.event_type.as_ref());
        select.within("timestamp", self.filter.time).ordered(self.sort, "id").push(" LIMIT ").bind(self.limit)
    }

    /// A statement over the events that `owner` sees, after a head that ends in `FROM (`.
    fn select(self, head: &'static str, owner: UserId, embedded: bool) -> Select {
        let select = Select::new(head);
        let about_links = match self.filter.user_id {
            // Those by another user: of the owner's links alone.
            Some(user) => select.push(ABOUT_LINKS.on(embedded)).and("user_id IS NOT NULL AND user_id = ", Some(user)),
            None => {
                let by_user = self.narrow(select.push(BY_USER).bind(owner)).push(UNION_ALL);
                by_user.push(ABOUT_LINKS.on(embedded)).and("(user_id IS NULL OR user_id <> ", Some(owner)).push(")")
            }
        };
        self.narrow(about_links).push(OF_USER.on(embedded)).bind(owner).push(") mine")
    }
}

impl Store {
    /// The tables and conditions of the events that a filter leaves. The owner of a link is looked up before any of
    /// its events.
    pub(super) async fn seen(&self, filter: &EventFilter) -> Result<Seen> {
        let Some(owner) = filter.owner else { return Ok(Seen::Filtered(filter.clone())) };
        let without_owner = EventFilter { owner: None, ..filter.clone() };
        let Some(link) = filter.url_id else {
            return Ok(if filter.user_id == Some(owner) { Seen::Filtered(without_owner) } else { Seen::Own(owner) });
        };
        let of_link: Option<UserId> =
            on_pool!(self, |pool| sqlx::query_scalar(urls::OWNER).bind(link).fetch_optional(pool).await)?;
        if of_link == Some(owner) {
            return Ok(Seen::Filtered(without_owner));
        }
        // Of another's link, or of one that is gone, they see what they did themselves.
        let own = EventFilter { user_id: Some(owner), ..without_owner };
        Ok(if filter.user_id.is_none_or(|user| user == owner) { Seen::Filtered(own) } else { Seen::Nothing })
    }

    /// At most `limit` events that `owner` sees, in the order of their ids.
    pub(super) async fn own_events(
        &self,
        owner: UserId,
        filter: &EventFilter,
        sort: Sort,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let (_, offset) = bounds(start);
        let part = Part { filter, sort, start, limit: i64::from(limit).saturating_add(offset) };
        let select = part.select(concat!("SELECT ", event_columns!(), " FROM ("), owner, self.is_embedded());
        select.push(" WHERE TRUE").page(sort, "id", start, limit).rows(self).await
    }

    /// How many events `owner` sees, [`COUNTED`] at most.
    pub(super) async fn count_own_events(&self, owner: UserId, filter: &EventFilter) -> Result<i64> {
        let (sort, start) = (Sort::default(), PageStart::Offset(0));
        let part = Part { filter, sort, start, limit: COUNTED };
        part.select("SELECT 1 FROM (", owner, self.is_embedded()).count(self).await
    }
}
