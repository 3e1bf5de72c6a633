//! What clicks add up to, kept in the transactions that store them: nothing ever has to count events.
//!
//! Promises: rollups and events agree whenever a transaction ends; transactions that add to the same rows wait for each
//! other and never deadlock, since each locks the rows of `click_days` first, in one order, and only then touches what
//! belongs to these days; no dimension of a link's day has more than [`VALUES_KEPT`] values and [`OTHER`].
//! Leaves out: reading them, and which clicks count.

mod columns;
mod deltas;
mod json;

use std::{borrow::Cow, collections::HashMap};

use self::columns::place_columns;
pub(crate) use self::{
    columns::{tally_columns, total_columns, value_columns},
    deltas::{Sums, Tally, ValueKey},
};
use crate::{
    db::{
        Result, Tx,
        batch_rows::{Column, over_rows},
        dialect::Sql,
    },
    domain::{
        Details, Subject, UrlId, UserId,
        clock::Timestamp,
        rollup::{Dimension, Known, OTHER, VALUES_KEPT},
    },
};

pub(super) const ADD_DAYS: Sql = over_rows!(
    r"
    INSERT INTO click_days (subject, day, people, bots, uniques)
    SELECT b.subject, b.day, b.people, b.bots, 0",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "people", 4 "bigint" "bots"),
    "WHERE TRUE ON CONFLICT (subject, day) DO UPDATE \
     SET people = click_days.people + excluded.people, bots = click_days.bots + excluded.bots"
);
pub(super) const ADD_SLOTS: Sql = over_rows!(
    r"
    INSERT INTO click_slots (subject, slot, people, bots)
    SELECT b.subject, b.slot, b.people, b.bots",
    (1 "bigint" "subject", 2 "bigint" "slot", 3 "bigint" "people", 4 "bigint" "bots"),
    "WHERE TRUE ON CONFLICT (subject, slot) DO UPDATE \
     SET people = click_slots.people + excluded.people, bots = click_slots.bots + excluded.bots"
);
pub(crate) const ADD_TOTALS: Sql = over_rows!(
    r"
    INSERT INTO click_totals (url_id, user_id, clicks, bots)
    SELECT b.url_id, b.user_id, b.clicks, b.bots",
    (1 "bigint" "url_id", 2 "bigint" "user_id", 3 "bigint" "clicks", 4 "bigint" "bots"),
    "WHERE TRUE ON CONFLICT (url_id) DO UPDATE SET clicks = click_totals.clicks + excluded.clicks, \
     bots = click_totals.bots + excluded.bots, user_id = coalesce(click_totals.user_id, excluded.user_id)"
);
const ADD_TO_VALUES: Sql = over_rows!(
    "UPDATE click_values SET clicks = click_values.clicks + b.clicks",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "dimension", 4 "text" "value", 5 "bigint" "clicks"),
    "WHERE click_values.subject = b.subject AND click_values.day = b.day \
     AND click_values.dimension = b.dimension AND click_values.value = b.value"
);
/// Values that have no row yet, by their place, and how many their dimension has beside `other`.
const NEW_VALUES: Sql = over_rows!(
    r"
    SELECT b.nth, (
        SELECT count(*)
        FROM click_values o
        WHERE o.subject = b.subject
        AND o.day = b.day
        AND o.dimension = b.dimension
        AND o.value <> 'other'
    )",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "dimension", 4 "text" "value", 5 "bigint" "nth"),
    "WHERE NOT EXISTS (SELECT 1 FROM click_values v WHERE v.subject = b.subject AND v.day = b.day \
     AND v.dimension = b.dimension AND v.value = b.value) ORDER BY b.nth"
);
pub(super) const INSERT_VALUES: Sql = over_rows!(
    r"
    INSERT INTO click_values (subject, day, dimension, value, clicks)
    SELECT b.subject, b.day, b.dimension, b.value, b.clicks",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "dimension", 4 "text" "value", 5 "bigint" "clicks"),
    "WHERE TRUE ON CONFLICT (subject, day, dimension, value) DO UPDATE \
     SET clicks = click_values.clicks + excluded.clicks"
);
const ADD_VISITORS: Sql = over_rows!(
    "INSERT INTO visitors (day, subject, visitor) SELECT b.day, b.subject, b.visitor",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "visitor"),
    "WHERE TRUE ON CONFLICT DO NOTHING RETURNING subject, day"
);
/// The owners of links, gone ones included as far as their clicks are counted.
const OWNERS: Sql = over_rows!(
    r"
    SELECT b.url_id, coalesce(
        (SELECT u.user_id FROM urls u WHERE u.id = b.url_id),
        (SELECT t.user_id FROM click_totals t WHERE t.url_id = b.url_id)
    )",
    (1 "bigint" "url_id"),
    ""
);
const ADD_UNIQUES: Sql = over_rows!(
    "UPDATE click_days SET uniques = click_days.uniques + b.uniques",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "uniques"),
    "WHERE click_days.subject = b.subject AND click_days.day = b.day"
);

pub(crate) const STATEMENTS: &[Sql] =
    &[ADD_DAYS, ADD_SLOTS, ADD_TOTALS, ADD_TO_VALUES, NEW_VALUES, INSERT_VALUES, ADD_VISITORS, ADD_UNIQUES, OWNERS];

/// A click as the rollups see it.
#[derive(Debug, Clone)]
pub struct Counted<'a> {
    /// The link that was followed.
    pub url_id: UrlId,
    /// Its owner, if that is known.
    pub owner: Option<UserId>,
    /// When, UTC.
    pub at: Timestamp,
    /// Whether a program followed it.
    pub is_bot: bool,
    /// Who followed it, as a keyed hash under the day's salt; none if that is not to be known.
    pub visitor: Option<i64>,
    /// What is known of who followed it.
    pub values: Values<'a>,
}

/// Values by dimension, at most one each. No list of its own: a batch holds thousands of them.
#[derive(Debug, Clone, Default)]
pub struct Values<'a>([Option<Cow<'a, str>>; Dimension::ALL.len()]);

impl<'a, T: Into<Cow<'a, str>>> FromIterator<(Dimension, T)> for Values<'a> {
    fn from_iter<I: IntoIterator<Item = (Dimension, T)>>(values: I) -> Self {
        let mut by_dimension = Self::default();
        for (dimension, value) in values {
            by_dimension.0[dimension as usize - 1] = Some(value.into());
        }
        by_dimension
    }
}

impl<'a> Values<'a> {
    /// Those that are known.
    fn into_iter(self) -> impl Iterator<Item = (Dimension, Cow<'a, str>)> {
        Dimension::ALL.into_iter().zip(self.0).filter_map(|(dimension, value)| Some((dimension, value?)))
    }
}

impl Counted<'static> {
    /// A click whose event a client wrote: all that is known of who clicked stands in its details.
    pub(crate) fn posted(url_id: UrlId, owner: Option<UserId>, at: Timestamp, details: &Details) -> Self {
        let known = Known::from_details(details);
        let values = known.values.into_iter().collect();
        Self { url_id, owner, at, is_bot: known.is_bot, visitor: None, values }
    }
}

impl Tx {
    /// Adds clicks to the rollups. Their events are to be stored in the same transaction.
    pub(crate) async fn roll_up(&mut self, sums: &Sums<'_>) -> Result<()> {
        let deltas = sums.deltas();
        // First of all: another writer of one of these days waits here.
        self.add_days(&deltas.days).await?;
        self.add_slots(&deltas.slots).await?;
        self.add_values(&deltas.values).await?;
        self.add_visitors(&deltas.visitors).await?;
        self.add_totals(&deltas.totals).await
    }

    /// Whose links these are, as far as that is known.
    pub(crate) async fn owners(&mut self, urls: &[UrlId]) -> Result<HashMap<UrlId, UserId>> {
        let mut urls: Vec<i64> = urls.iter().map(|url| url.0).collect();
        urls.sort_unstable();
        urls.dedup();
        let rows: Vec<(UrlId, Option<UserId>)> = self.ask_rows(OWNERS, vec![Column::Numbers(urls)]).await?;
        Ok(rows.into_iter().filter_map(|(url, owner)| Some((url, owner?))).collect())
    }

    async fn add_days(&mut self, days: &[((Subject, i64), Tally)]) -> Result<()> {
        self.change_rows(ADD_DAYS, tally_columns(days)).await?;
        Ok(())
    }

    async fn add_slots(&mut self, slots: &[((Subject, i64), Tally)]) -> Result<()> {
        self.change_rows(ADD_SLOTS, tally_columns(slots)).await?;
        Ok(())
    }

    async fn add_totals(&mut self, totals: &[((UrlId, Option<UserId>), Tally)]) -> Result<()> {
        self.change_rows(ADD_TOTALS, total_columns(totals)).await?;
        Ok(())
    }

    /// Adds to the values that are there, and makes rows for others as long as there is room for them. `values` are
    /// sorted by subject, day and dimension, and the rows of their days are locked.
    async fn add_values(&mut self, values: &[(ValueKey<'_>, i64)]) -> Result<()> {
        let found = self.change_rows(ADD_TO_VALUES, value_columns(values)).await?;
        if found == values.len() as u64 {
            return Ok(());
        }
        let new: Vec<(i64, i64)> = self.ask_rows(NEW_VALUES, place_columns(values)).await?;
        let kept = with_room(values, &new);
        self.change_rows(INSERT_VALUES, value_columns(&kept)).await?;
        Ok(())
    }

    async fn add_visitors(&mut self, visitors: &[(Subject, i64, i64)]) -> Result<()> {
        let columns = vec![
            Column::Numbers(visitors.iter().map(|(subject, ..)| subject.0).collect()),
            Column::Numbers(visitors.iter().map(|(_, day, _)| *day).collect()),
            Column::Numbers(visitors.iter().map(|(.., visitor)| *visitor).collect()),
        ];
        let mut new: Vec<(i64, i64)> = self.ask_rows(ADD_VISITORS, columns).await?;
        new.sort_unstable();
        let days: Vec<&[(i64, i64)]> = new.chunk_by(|one, other| one == other).collect();
        let columns = vec![
            Column::Numbers(days.iter().map(|day| day[0].0).collect()),
            Column::Numbers(days.iter().map(|day| day[0].1).collect()),
            Column::Numbers(days.iter().map(|day| i64::try_from(day.len()).unwrap_or(i64::MAX)).collect()),
        ];
        self.change_rows(ADD_UNIQUES, columns).await?;
        Ok(())
    }
}

/// The rows to make for new values, given by their place among `values` and how many their dimension has: those for
/// which there is no room become one row of [`OTHER`].
fn with_room<'a>(values: &[(ValueKey<'a>, i64)], new: &[(i64, i64)]) -> Vec<(ValueKey<'a>, i64)> {
    let mut rows: Vec<(ValueKey<'a>, i64)> = Vec::new();
    let mut group = None;
    let mut room = 0;
    for (place, there) in new {
        let Some((key, clicks)) = usize::try_from(*place).ok().and_then(|place| values.get(place)) else { continue };
        let this = (key.subject, key.day, key.dimension);
        if group.replace(this) != Some(this) {
            room = VALUES_KEPT - there;
        }
        if key.value != OTHER && room > 0 {
            room -= 1;
            rows.push((*key, *clicks));
            continue;
        }
        let other = ValueKey { value: OTHER, ..*key };
        match rows.last_mut().filter(|(last, _)| *last == other) {
            Some((_, sum)) => *sum += clicks,
            None => rows.push((other, *clicks)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_other() {
        let key = |day, value| ValueKey { subject: Subject(1), day, dimension: Dimension::Referrer, value };
        let values = [(key(1, "a"), 5), (key(1, "b"), 4), (key(1, "c"), 3), (key(1, OTHER), 2), (key(2, "a"), 1)];
        let rows = with_room(&values, &[(0, 99), (1, 99), (2, 99), (3, 99), (4, 0)]);
        assert_eq!(rows, [(key(1, "a"), 5), (key(1, OTHER), 4 + 3 + 2), (key(2, "a"), 1)]);
    }
}
