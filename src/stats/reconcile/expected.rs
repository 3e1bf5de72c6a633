//! What the events of a day add up to, and how the rollups differ.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use super::{Counts, Difference, held::Held};
use crate::{
    domain::{
        Dimension, Subject,
        rollup::{OTHER, VALUES_KEPT},
    },
    stats::{
        Counted,
        rollups::{Sums, Tally},
    },
};

/// The sums of a day.
#[derive(Debug, Default)]
pub(super) struct Expected {
    days: HashMap<Subject, Tally>,
    slots: HashMap<Subject, HashMap<i64, Tally>>,
    values: HashMap<(Subject, Dimension), HashMap<String, i64>>,
}

impl Expected {
    /// Adds clicks of the day, as a writer would to the rollups.
    pub(super) fn add(&mut self, clicks: Vec<Counted<'_>>) {
        let sums: Sums<'_> = clicks.into_iter().collect();
        let deltas = sums.deltas();
        for ((subject, _), tally) in deltas.days {
            *self.days.entry(subject).or_default() += tally;
        }
        for ((subject, slot), tally) in deltas.slots {
            *self.slots.entry(subject).or_default().entry(slot).or_default() += tally;
        }
        for (key, clicks) in deltas.values {
            let values = self.values.entry((key.subject, key.dimension)).or_default();
            match values.get_mut(key.value) {
                Some(sum) => *sum += clicks,
                None => _ = values.insert(key.value.to_owned(), clicks),
            }
        }
    }

    /// Whose clicks there are.
    pub(super) fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.days.keys().copied()
    }

    /// Notes what `held` says otherwise of a subject.
    pub(super) fn compare(&self, subject: Subject, day: i64, held: &Held, differences: &mut Vec<Difference>) {
        let mut note = |counts, held: Tally, expected: Tally| {
            if held != expected {
                let (held, expected) = ((held.people, held.bots), (expected.people, expected.bots));
                differences.push(Difference { subject, counts, held, expected });
            }
        };
        let of = |days: &HashMap<Subject, Tally>| days.get(&subject).copied().unwrap_or_default();
        note(Counts::Day(day), of(&held.days), of(&self.days));
        let empty = HashMap::new();
        let (there, right) = (held.slots.get(&subject), self.slots.get(&subject));
        let (there, right) = (there.unwrap_or(&empty), right.unwrap_or(&empty));
        for slot in there.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
            let of = |slots: &HashMap<i64, Tally>| slots.get(slot).copied().unwrap_or_default();
            note(Counts::Slot(*slot), of(there), of(right));
        }
        for dimension in Dimension::ALL {
            let empty = HashMap::new();
            let there = held.values.get(&(subject, dimension)).unwrap_or(&empty);
            let right = self.values.get(&(subject, dimension)).unwrap_or(&empty);
            let right = as_kept(right, there);
            for value in there.keys().map(String::as_str).chain(right.keys().copied()).collect::<BTreeSet<_>>() {
                let people = |clicks: Option<&i64>| Tally { people: clicks.copied().unwrap_or_default(), bots: 0 };
                let counts = Counts::Value(day, dimension, value.to_owned());
                note(counts, people(there.get(value)), people(right.get(value)));
            }
        }
    }
}

/// What a dimension should hold of the values that events have. Which ones have a row when there are too many
/// depends on the order in which they came, so the rows that are there decide, and the most frequent ones fill up;
/// what has a row has all its clicks there, and the rest is one sum.
fn as_kept<'a>(events: &'a HashMap<String, i64>, there: &'a HashMap<String, i64>) -> HashMap<&'a str, i64> {
    let mut values: Vec<(&str, i64)> =
        events.iter().filter(|(value, _)| *value != OTHER).map(|(value, clicks)| (value.as_str(), *clicks)).collect();
    values.sort_unstable_by_key(|(value, clicks)| (!there.contains_key(*value), Reverse(*clicks), *value));
    let others = values.split_off(values.len().min(usize::try_from(VALUES_KEPT).unwrap_or(usize::MAX)));
    let rest = others.iter().map(|(_, clicks)| clicks).sum::<i64>() + events.get(OTHER).copied().unwrap_or_default();
    let mut kept: HashMap<&str, i64> = values.into_iter().collect();
    if rest > 0 {
        kept.insert(OTHER, rest);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[(&str, i64)]) -> HashMap<String, i64> {
        list.iter().map(|(value, clicks)| ((*value).to_owned(), *clicks)).collect()
    }

    #[test]
    fn rows_that_are_there_keep_their_place_where_there_are_too_many() {
        let mut events: HashMap<String, i64> = (0..150).map(|n| (format!("v{n:03}"), 1 + n)).collect();
        events.insert(OTHER.to_owned(), 7);
        let there: HashMap<String, i64> = (0..99).map(|n| (format!("v{n:03}"), 1)).collect();
        let kept = as_kept(&events, &there);
        assert_eq!(kept.len(), 101);
        assert_eq!((kept["v000"], kept["v098"], kept.get("v148")), (1, 99, None));
        assert_eq!(kept["v149"], 150, "the most frequent one fills up");
        assert_eq!(kept[OTHER], (99..149).map(|n| 1 + n).sum::<i64>() + 7);
    }

    #[test]
    fn few_values_all_have_a_row() {
        let (events, there) = (values(&[("a", 1), ("b", 2)]), values(&[("c", 5), (OTHER, 1)]));
        assert_eq!(as_kept(&events, &there), HashMap::from([("a", 1), ("b", 2)]));
    }
}
