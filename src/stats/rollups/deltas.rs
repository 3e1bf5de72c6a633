//! What a batch of clicks adds to the rollups, summed up before the database is asked: a popular link's hundred clicks
//! are one row.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    hash::Hash,
};

use foldhash::fast::RandomState;

use super::Counted;
use crate::domain::{
    Subject, UrlId, UserId,
    rollup::{Dimension, OTHER, SLOTS_PER_DAY, day_of, slot_of},
};

/// Clicks of people and of programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) people: i64,
    pub(crate) bots: i64,
}

/// A value that people's clicks had: whose, which day's, of which dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ValueKey<'a> {
    pub(crate) subject: Subject,
    pub(crate) day: i64,
    pub(crate) dimension: Dimension,
    pub(crate) value: &'a str,
}

/// What clicks add, in the order in which rows are locked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Deltas<'a> {
    pub(crate) days: Vec<((Subject, i64), Tally)>,
    pub(crate) slots: Vec<((Subject, i64), Tally)>,
    pub(crate) values: Vec<(ValueKey<'a>, i64)>,
    pub(crate) totals: Vec<((UrlId, Option<UserId>), Tally)>,
    pub(crate) visitors: Vec<(Subject, i64, i64)>,
}

impl Tally {
    fn one(is_bot: bool) -> Self {
        Self { people: i64::from(!is_bot), bots: i64::from(is_bot) }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.people += other.people;
        self.bots += other.bots;
    }
}

/// Each click is looked up half a dozen times: the standard hash, which takes three times as long, would be a tenth
/// of what a redirect takes its replica. Seeded anew by each process, since visitors choose some of the keys.
pub(crate) type Map<K, V> = HashMap<K, V, RandomState>;
type Set<K> = HashSet<K, RandomState>;

/// Clicks summed up by link, which most of them share with others.
#[derive(Debug, Default)]
pub(crate) struct Sums<'a> {
    pub(super) owners: Map<UrlId, Option<UserId>>,
    pub(super) slots: Map<(UrlId, i64), Tally>,
    pub(super) values: Map<(UrlId, i64, Dimension, Cow<'a, str>), i64>,
    pub(super) visitors: Set<(UrlId, i64, i64)>,
}

impl<'a> FromIterator<Counted<'a>> for Sums<'a> {
    fn from_iter<I: IntoIterator<Item = Counted<'a>>>(clicks: I) -> Self {
        let mut sums = Self::default();
        clicks.into_iter().for_each(|click| sums.add(click));
        sums
    }
}

impl<'a> Sums<'a> {
    /// Adds a click.
    pub(crate) fn add(&mut self, click: Counted<'a>) {
        let (url, day) = (click.url_id, day_of(click.at));
        let owner = self.owners.entry(url).or_default();
        *owner = owner.or(click.owner);
        add(&mut self.slots, (url, slot_of(click.at)), Tally::one(click.is_bot));
        if !click.is_bot {
            for (dimension, value) in click.values.into_iter() {
                add(&mut self.values, (url, day, dimension, value), 1);
            }
            self.visitors.extend(click.visitor.map(|visitor| (url, day, visitor)));
        }
    }

    /// What these clicks add to their links, to the links' owners, and to all.
    pub(crate) fn deltas(&self) -> Deltas<'_> {
        let subjects = |url: UrlId| subjects(url, self.owners.get(&url).copied().flatten());
        let slots = spread(self.slots.iter().map(|((url, slot), tally)| (*url, *slot, *tally)), subjects);
        Deltas {
            days: days(&slots),
            slots,
            totals: totals(&self.slots, &self.owners),
            visitors: visitors_of(&self.visitors, subjects),
            values: values_of(&self.values, subjects),
        }
    }
}

/// Whose rows a link's clicks count in.
fn subjects(url: UrlId, owner: Option<UserId>) -> impl Iterator<Item = Subject> {
    [Some(Subject::url(url)), owner.map(Subject::user), Some(Subject::ALL)].into_iter().flatten()
}

pub(super) fn add<K: Hash + Eq, V: Default + std::ops::AddAssign>(sums: &mut Map<K, V>, key: K, value: V) {
    *sums.entry(key).or_default() += value;
}

fn spread<S: Iterator<Item = Subject>>(
    rows: impl Iterator<Item = (UrlId, i64, Tally)>,
    subjects: impl Fn(UrlId) -> S,
) -> Vec<((Subject, i64), Tally)> {
    let mut sums = Map::default();
    for (url, place, tally) in rows {
        subjects(url).for_each(|subject| add(&mut sums, (subject, place), tally));
    }
    in_lock_order(sums)
}

fn days(slots: &[((Subject, i64), Tally)]) -> Vec<((Subject, i64), Tally)> {
    let mut sums = Map::default();
    for ((subject, slot), tally) in slots {
        add(&mut sums, (*subject, slot.div_euclid(SLOTS_PER_DAY)), *tally);
    }
    in_lock_order(sums)
}

fn in_lock_order(sums: Map<(Subject, i64), Tally>) -> Vec<((Subject, i64), Tally)> {
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_unstable_by_key(|((subject, place), _)| (subject.lock_order(), *place));
    rows
}

fn totals(
    slots: &Map<(UrlId, i64), Tally>,
    owners: &Map<UrlId, Option<UserId>>,
) -> Vec<((UrlId, Option<UserId>), Tally)> {
    let mut sums: Map<UrlId, Tally> = Map::default();
    slots.iter().for_each(|((url, _), tally)| add(&mut sums, *url, *tally));
    let mut rows: Vec<_> =
        sums.into_iter().map(|(url, tally)| ((url, owners.get(&url).copied().flatten()), tally)).collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows
}

fn visitors_of<S: Iterator<Item = Subject>>(
    keys: &Set<(UrlId, i64, i64)>,
    subjects: impl Fn(UrlId) -> S,
) -> Vec<(Subject, i64, i64)> {
    let mut rows: Vec<_> = keys
        .iter()
        .flat_map(|(url, day, visitor)| subjects(*url).map(move |subject| (subject, *day, *visitor)))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn values_of<'a, S: Iterator<Item = Subject>>(
    sums: &'a Map<(UrlId, i64, Dimension, Cow<'_, str>), i64>,
    subjects: impl Fn(UrlId) -> S,
) -> Vec<(ValueKey<'a>, i64)> {
    let mut spread: Map<ValueKey<'a>, i64> = Map::default();
    for ((url, day, dimension, value), clicks) in sums {
        let key = |subject| ValueKey { subject, day: *day, dimension: *dimension, value };
        subjects(*url).for_each(|subject| add(&mut spread, key(subject), *clicks));
    }
    let mut rows: Vec<_> = spread.into_iter().collect();
    // The most frequent first, so that they are kept when not all can be.
    rows.sort_unstable_by_key(|(key, clicks)| {
        (key.subject, key.day, key.dimension, key.value == OTHER, std::cmp::Reverse(*clicks), key.value)
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn click(url: i64, owner: Option<i64>, seconds: i64, is_bot: bool) -> Counted<'static> {
        let at = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let values = [(Dimension::Browser, "Firefox")].into_iter().collect();
        Counted { url_id: UrlId(url), owner: owner.map(UserId), at, is_bot, visitor: Some(9), values }
    }

    #[test]
    fn clicks_count_for_their_link_its_owner_and_all() {
        let clicks = [
            click(1, Some(5), 0, false),
            click(1, None, 10, true),
            click(2, None, 900, false),
            click(1, Some(5), 86_400, false),
        ];
        let sums: Sums<'_> = clicks.into_iter().collect();
        let deltas = sums.deltas();
        let tally = |people, bots| Tally { people, bots };
        let (one, two, five) = (Subject(1), Subject(2), Subject(-5));
        let days = [
            ((one, 0), tally(1, 1)),
            ((one, 1), tally(1, 0)),
            ((two, 0), tally(1, 0)),
            ((five, 0), tally(1, 1)),
            ((five, 1), tally(1, 0)),
            ((Subject::ALL, 0), tally(2, 1)),
            ((Subject::ALL, 1), tally(1, 0)),
        ];
        assert_eq!(deltas.days, days);
        assert_eq!(deltas.slots.len(), 2 + 1 + 2 + 3);
        let totals = [((UrlId(1), Some(UserId(5))), tally(2, 1)), ((UrlId(2), None), tally(1, 0))];
        assert_eq!(deltas.totals, totals);
        // A visitor of two links is one for all, and programs are none.
        assert_eq!(deltas.visitors.iter().filter(|(subject, ..)| *subject == Subject::ALL).count(), 2);
        let all = |(key, clicks): &(ValueKey<'_>, i64)| (key.subject == Subject::ALL).then_some(*clicks);
        assert_eq!(deltas.values.iter().filter_map(all).sum::<i64>(), 3);
    }
}
