//! Making rollups say what they should, by adding the difference.

use super::{Counts, Difference, Tx};
use crate::{
    db::{
        Result,
        batch_rows::{Column, over_rows},
        dialect::Sql,
    },
    domain::{Subject, UrlId, rollup::SLOTS_PER_DAY},
    stats::rollups::{self, Tally, ValueKey, tally_columns, total_columns, value_columns},
};

/// Values without clicks would take the place of others.
pub(super) const DROP_EMPTY: Sql = over_rows!(
    "DELETE FROM click_values WHERE clicks = 0 AND (subject, day) IN (SELECT b.subject, b.day",
    (1 "bigint" "subject", 2 "bigint" "day"),
    ")"
);

/// Rows that one transaction repairs, beside the rest of the last subject: a subject has 700 of a day at most.
const ROWS: usize = 1_000;

/// The differences in parts, each for a transaction of its own; those of a subject stay together.
pub(super) fn parts(differences: &[Difference]) -> impl Iterator<Item = &[Difference]> {
    let mut rest = differences;
    std::iter::from_fn(move || {
        let last = rest.get(ROWS.min(rest.len()).checked_sub(1)?)?.subject;
        let more = rest.iter().skip(ROWS).take_while(|difference| difference.subject == last).count();
        let (part, others) = rest.split_at(ROWS.min(rest.len()) + more);
        rest = others;
        Some(part)
    })
}

impl Tx {
    /// Adds the differences of one day, in the order in which they were found, or of totals.
    pub(super) async fn repair(&mut self, differences: &[Difference]) -> Result<()> {
        let (mut days, mut slots, mut values, mut totals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for Difference { subject, counts, held, expected } in differences {
            let tally = Tally { people: expected.0 - held.0, bots: expected.1 - held.1 };
            let day = match counts {
                Counts::Day(day) => *day,
                Counts::Slot(slot) => slot.div_euclid(SLOTS_PER_DAY),
                Counts::Value(day, ..) => *day,
                Counts::Total => {
                    totals.push((UrlId(subject.0), tally));
                    continue;
                }
            };
            // A day's row is locked, be it by adding nothing, before what belongs to it is touched.
            match (days.last_mut(), counts) {
                (Some((last, sum)), Counts::Day(_)) if *last == (*subject, day) => *sum = tally,
                (Some((last, _)), _) if *last == (*subject, day) => {}
                (_, Counts::Day(_)) => days.push(((*subject, day), tally)),
                _ => days.push(((*subject, day), Tally::default())),
            }
            match counts {
                Counts::Slot(slot) => slots.push(((*subject, *slot), tally)),
                Counts::Value(_, dimension, value) => {
                    let key = ValueKey { subject: *subject, day, dimension: *dimension, value };
                    values.push((key, tally.people));
                }
                Counts::Day(_) | Counts::Total => {}
            }
        }
        self.change_rows(rollups::ADD_DAYS, tally_columns(&days)).await?;
        self.change_rows(rollups::ADD_SLOTS, tally_columns(&slots)).await?;
        self.change_rows(rollups::INSERT_VALUES, value_columns(&values)).await?;
        self.change_rows(DROP_EMPTY, keys(&days)).await?;
        self.repair_totals(&totals).await
    }

    async fn repair_totals(&mut self, totals: &[(UrlId, Tally)]) -> Result<()> {
        let urls: Vec<UrlId> = totals.iter().map(|(url, _)| *url).collect();
        let owners = self.owners(&urls).await?;
        let totals: Vec<_> = totals.iter().map(|(url, tally)| ((*url, owners.get(url).copied()), *tally)).collect();
        self.change_rows(rollups::ADD_TOTALS, total_columns(&totals)).await?;
        Ok(())
    }
}

fn keys(days: &[((Subject, i64), Tally)]) -> Vec<Column<'static>> {
    vec![
        Column::Numbers(days.iter().map(|((subject, _), _)| subject.0).collect()),
        Column::Numbers(days.iter().map(|((_, day), _)| *day).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_a_subject_together() {
        let difference =
            |subject| Difference { subject: Subject(subject), counts: Counts::Day(1), held: (0, 0), expected: (1, 0) };
        let all: Vec<Difference> = (0..2_500).map(|n| difference(n / 700)).collect();
        let parts: Vec<usize> = parts(&all).map(<[Difference]>::len).collect();
        assert_eq!(parts, [1_400, 1_100]);
        assert_eq!(super::parts(&[]).count(), 0);
    }
}
