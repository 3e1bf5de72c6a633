//! What the rollups hold of a day.

use std::collections::HashMap;

use super::{Tx, first_slot};
use crate::{
    db::{
        Result,
        batch_rows::{Column, over_rows},
        dialect::Sql,
    },
    domain::{Dimension, Subject, rollup::slots_per_day},
    stats::rollups::Tally,
};

pub(super) const DAYS: Sql = over_rows!(
    "SELECT d.subject, d.people, d.bots",
    (1 "bigint" "subject", 2 "bigint" "day"),
    "JOIN click_days d ON d.subject = b.subject AND d.day = b.day"
);
pub(super) const SLOTS: Sql = over_rows!(
    "SELECT s.subject, s.slot, s.people, s.bots",
    (1 "bigint" "subject", 2 "bigint" "slot"),
    "JOIN click_slots s ON s.subject = b.subject AND s.slot >= b.slot AND s.slot < b.slot + ", slots_per_day!()
);
pub(super) const VALUES: Sql = over_rows!(
    "SELECT v.subject, CAST(v.dimension AS BIGINT), v.value, v.clicks",
    (1 "bigint" "subject", 2 "bigint" "day"),
    "JOIN click_values v ON v.subject = b.subject AND v.day = b.day"
);

/// What the rollups hold of a day and some subjects.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) days: HashMap<Subject, Tally>,
    pub(super) slots: HashMap<Subject, HashMap<i64, Tally>>,
    pub(super) values: HashMap<(Subject, Dimension), HashMap<String, i64>>,
}

impl Tx {
    pub(super) async fn held(&mut self, day: i64, subjects: &[Subject]) -> Result<Held> {
        let keys = |place: i64| {
            vec![
                Column::Numbers(subjects.iter().map(|subject| subject.0).collect()),
                Column::Numbers(vec![place; subjects.len()]),
            ]
        };
        let mut held = Held::default();
        let days: Vec<(Subject, i64, i64)> = self.ask_rows(DAYS, keys(day)).await?;
        held.days.extend(days.into_iter().map(|(subject, people, bots)| (subject, Tally { people, bots })));
        let slots: Vec<(Subject, i64, i64, i64)> = self.ask_rows(SLOTS, keys(first_slot(day))).await?;
        for (subject, slot, people, bots) in slots {
            held.slots.entry(subject).or_default().insert(slot, Tally { people, bots });
        }
        let values: Vec<(Subject, i64, String, i64)> = self.ask_rows(VALUES, keys(day)).await?;
        for (subject, dimension, value, clicks) in values {
            let known = Dimension::ALL.into_iter().find(|known| i64::from(*known as i16) == dimension);
            // What a later version counts is none of this one's business.
            if let Some(dimension) = known {
                held.values.entry((subject, dimension)).or_default().insert(value, clicks);
            }
        }
        Ok(held)
    }
}
