//! Exported rollups in bulk: days whose events may be gone, and the visitors of the others.
//!
//! A row that is there already stays as it is, so that importing the same files again changes nothing. From the first
//! row on, other clicks wait until the import ends: this is for a database that is being restored.

use std::collections::HashMap;

use super::{Bulk, Outcome};
use crate::{
    db::{
        Result,
        batch_rows::{Column, over_rows},
        dialect::{self, Sql},
        on_tx,
    },
    domain::{UrlId, UserId},
    stats::{
        exported::{ExportedRollup, RollupKind},
        rollups::{ADD_TOTALS, Tally, total_columns},
    },
};

const KEEP_DAYS: Sql = over_rows!(
    "INSERT INTO click_days (subject, day, people, bots, uniques) SELECT b.subject, b.day, b.people, b.bots, b.uniques",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "people", 4 "bigint" "bots", 5 "bigint" "uniques"),
    "WHERE TRUE ON CONFLICT (subject, day) DO NOTHING RETURNING subject, people, bots"
);
const KEEP_UNIQUES: Sql = over_rows!(
    "INSERT INTO click_days (subject, day, people, bots, uniques) SELECT b.subject, b.day, 0, 0, b.uniques",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "uniques"),
    "WHERE TRUE ON CONFLICT (subject, day) DO UPDATE SET uniques = excluded.uniques \
     WHERE click_days.uniques < excluded.uniques"
);
const KEEP_SLOTS: Sql = over_rows!(
    "INSERT INTO click_slots (subject, slot, people, bots) SELECT b.subject, b.slot, b.people, b.bots",
    (1 "bigint" "subject", 2 "bigint" "slot", 3 "bigint" "people", 4 "bigint" "bots"),
    "WHERE TRUE ON CONFLICT (subject, slot) DO NOTHING"
);
const KEEP_VALUES: Sql = over_rows!(
    "INSERT INTO click_values (subject, day, dimension, value, clicks) \
     SELECT b.subject, b.day, b.dimension, b.value, b.clicks",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "dimension", 4 "text" "value", 5 "bigint" "clicks"),
    "WHERE TRUE ON CONFLICT (subject, day, dimension, value) DO NOTHING"
);
const KEEP_OWNERS: Sql = over_rows!(
    "INSERT INTO click_totals (url_id, user_id, clicks, bots) SELECT b.url_id, b.user_id, 0, 0",
    (1 "bigint" "url_id", 2 "bigint" "user_id"),
    "WHERE TRUE ON CONFLICT (url_id) DO UPDATE SET user_id = excluded.user_id WHERE click_totals.user_id IS NULL"
);
const CLAIMS: &str = "SELECT row_id, user_id FROM import_claims WHERE row_id <> user_id";

pub(crate) const ROW_STATEMENTS: &[Sql] = &[KEEP_DAYS, KEEP_UNIQUES, KEEP_SLOTS, KEEP_VALUES, KEEP_OWNERS];

impl Bulk<'_> {
    /// Finds or stores rollups. Of the days that they hold whole, events that follow are stored and not counted.
    pub async fn rollups(&mut self, rows: &[ExportedRollup]) -> Result<Outcome> {
        // Before any other lock, in the order of the deletion of events.
        self.tx.hold_kept_since().await?;
        self.run(dialect::LOCK_ROLLUPS.on(self.tx.is_embedded())).await?;
        let (mut outcome, all) = (Outcome::default(), rows.len());
        for row in rows.iter().filter(|row| row.kind == RollupKind::KeptSince) {
            self.tx.keep_since(row.place).await?;
            self.whole_until = self.whole_until.max(Some(row.place));
            outcome.created += 1;
        }
        let rows = self.settled(rows, &mut outcome).await?;
        outcome.created += self.keep_days(&rows, self.whole_until.unwrap_or(i64::MIN)).await?;
        let of = |kind| -> Vec<&ExportedRollup> { rows.iter().filter(|row| row.kind == kind).collect() };
        let owners = columns(&of(RollupKind::Owner), &[|row| row.subject, |row| row.place]);
        let slots =
            columns(&of(RollupKind::Slot), &[|row| row.subject, |row| row.place, |row| row.people, |row| row.bots]);
        let of_values = of(RollupKind::Value);
        let mut values: Vec<Column<'_>> =
            columns(&of_values, &[|row| row.subject, |row| row.place, |row| row.dimension]);
        values.push(Column::Texts(of_values.iter().map(|row| row.value.as_str()).collect()));
        values.extend(columns(&of_values, &[|row| row.people]));
        outcome.created += self.tx.change_rows(KEEP_OWNERS, owners).await?;
        outcome.created += self.tx.change_rows(KEEP_SLOTS, slots).await?;
        outcome.created += self.tx.change_rows(KEEP_VALUES, values).await?;
        Ok(outcome.count_found(all))
    }

    /// The rows with the users whom they stand for; those of users that were left out are refused.
    async fn settled(&mut self, rows: &[ExportedRollup], outcome: &mut Outcome) -> Result<Vec<ExportedRollup>> {
        let claims: HashMap<i64, i64> = if self.diverted {
            let claims: Vec<(i64, i64)> = on_tx!(self.tx, |conn| sqlx::query_as(CLAIMS).fetch_all(conn).await?);
            claims.into_iter().collect()
        } else {
            HashMap::new()
        };
        let stands_for = |user: i64| claims.get(&user).copied().unwrap_or(user);
        let mut settled = Vec::with_capacity(rows.len());
        for (nth, row) in rows.iter().enumerate() {
            let (mut row, was_users) = (row.clone(), row.subject < 0);
            if row.kind == RollupKind::Owner {
                row.place = stands_for(row.place);
            } else if row.subject < 0 {
                row.subject = -stands_for(-row.subject);
            }
            let is_nobodys = row.kind == RollupKind::Owner && row.place == 0;
            if is_nobodys || (was_users && row.subject == 0) {
                let nth = i64::try_from(nth).unwrap_or_default();
                outcome.refuse(nth, "subject", "names a user whose row was left out");
            } else {
                settled.push(row);
            }
        }
        Ok(settled)
    }

    /// Stores days before `until` whole, and the visitors of the others.
    async fn keep_days(&mut self, rows: &[ExportedRollup], until: i64) -> Result<u64> {
        let days = rows.iter().filter(|row| row.kind == RollupKind::Day);
        let (whole, counted): (Vec<&ExportedRollup>, Vec<_>) = days.partition(|row| row.place < until);
        let of_whole =
            columns(&whole, &[|row| row.subject, |row| row.place, |row| row.people, |row| row.bots, |row| row.uniques]);
        let new: Vec<(i64, i64, i64)> = self.tx.ask_rows(KEEP_DAYS, of_whole).await?;
        let of_counted = columns(&counted, &[|row| row.subject, |row| row.place, |row| row.uniques]);
        let changed = self.tx.change_rows(KEEP_UNIQUES, of_counted).await?;
        let urls: Vec<UrlId> = new.iter().filter(|day| day.0 > 0).map(|day| UrlId(day.0)).collect();
        let owners: HashMap<UrlId, UserId> = self.tx.owners(&urls).await?;
        let mut totals: HashMap<UrlId, Tally> = HashMap::new();
        for (subject, people, bots) in new.iter().filter(|day| day.0 > 0) {
            *totals.entry(UrlId(*subject)).or_default() += Tally { people: *people, bots: *bots };
        }
        let mut totals: Vec<_> =
            totals.into_iter().map(|(url, tally)| ((url, owners.get(&url).copied()), tally)).collect();
        totals.sort_unstable_by_key(|(key, _)| *key);
        self.tx.change_rows(ADD_TOTALS, total_columns(&totals)).await?;
        Ok(new.len() as u64 + changed)
    }
}

/// Columns of numbers.
fn columns(rows: &[&ExportedRollup], values: &[fn(&ExportedRollup) -> i64]) -> Vec<Column<'static>> {
    values.iter().map(|value| Column::Numbers(rows.iter().map(|row| value(row)).collect())).collect()
}
