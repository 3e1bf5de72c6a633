//! Exported rollups: what an export's events do not say.
//!
//! Days before `kept_since_day` are exported whole, since their events may be gone; of later days only the number of
//! visitors, since an import counts their events again. Beside them the owners of links that are gone.

use crate::{
    db::{Result, Tx, on_tx},
    domain::rollup::SLOTS_PER_DAY,
};

const KEPT_SINCE: &str = "SELECT value FROM click_state WHERE name = 'kept_since_day'";
const OWNERS: &str = r"
    SELECT t.url_id, t.user_id, CAST(0 AS BIGINT), '', CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT)
    FROM click_totals t
    WHERE t.url_id > $1
    AND t.user_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM urls u WHERE u.id = t.url_id)
    ORDER BY t.url_id
    LIMIT $2";
const DAYS: &str = r"
    SELECT subject, day, CAST(0 AS BIGINT), '', people, bots, uniques
    FROM click_days
    WHERE (subject, day) > ($1, $2)
    AND (day < $3 OR uniques > 0)
    ORDER BY subject, day
    LIMIT $4";
const SLOTS: &str = r"
    SELECT subject, slot, CAST(0 AS BIGINT), '', people, bots, CAST(0 AS BIGINT)
    FROM click_slots
    WHERE (subject, slot) > ($1, $2)
    AND slot < $3
    ORDER BY subject, slot
    LIMIT $4";
const VALUES: &str = r"
    SELECT subject, day, CAST(dimension AS BIGINT), value, clicks, CAST(0 AS BIGINT), CAST(0 AS BIGINT)
    FROM click_values
    WHERE (subject, day, dimension, value) > ($1, $2, $3, $4)
    AND day < $5
    ORDER BY subject, day, dimension, value
    LIMIT $6";

pub(crate) const STATEMENTS: &[&str] = &[KEPT_SINCE, OWNERS, DAYS, SLOTS, VALUES];

/// What an exported row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RollupKind {
    /// The first day of which all click events are there: `place`.
    KeptSince,
    /// The owner, `place`, of a link that is gone, `subject`.
    Owner,
    /// Clicks and visitors of a subject and a day.
    Day,
    /// Clicks of a subject and a slot.
    Slot,
    /// Clicks of people with a value.
    Value,
}

/// A rollup on its way from one database to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedRollup {
    /// What it is.
    pub kind: RollupKind,
    /// Whose clicks.
    pub subject: i64,
    /// Day, slot or user, as `kind` says.
    pub place: i64,
    /// The number of the dimension, for values.
    pub dimension: i64,
    /// The value, for values.
    pub value: String,
    /// Clicks of people.
    pub people: i64,
    /// Clicks of programs.
    pub bots: i64,
    /// Visitors, for days.
    pub uniques: i64,
}

type Row = (i64, i64, i64, String, i64, i64, i64);

impl RollupKind {
    /// All, in the order in which they are exported.
    pub const ALL: [Self; 5] = [Self::KeptSince, Self::Owner, Self::Day, Self::Slot, Self::Value];

    /// Its word in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeptSince => "kept_since",
            Self::Owner => "owner",
            Self::Day => "day",
            Self::Slot => "slot",
            Self::Value => "value",
        }
    }
}

impl Tx {
    /// The rows after one, or from the beginning: `limit` of them, fewer only at the end.
    pub async fn rollups(&mut self, after: Option<&ExportedRollup>, limit: u32) -> Result<Vec<ExportedRollup>> {
        let kept: Option<i64> = on_tx!(self, |conn| sqlx::query_scalar(KEPT_SINCE).fetch_optional(conn).await?);
        let mut rows = Vec::new();
        for kind in RollupKind::ALL {
            let room = i64::from(limit) - i64::try_from(rows.len()).unwrap_or(i64::MAX);
            let after = match after {
                Some(after) if after.kind > kind => continue,
                Some(after) if after.kind == kind => Some(after),
                _ => None,
            };
            if room > 0 {
                let found = self.rollups_of(kind, after, kept, room).await?;
                rows.extend(found.into_iter().map(|row| ExportedRollup::of(kind, row)));
            }
        }
        Ok(rows)
    }

    async fn rollups_of(
        &mut self,
        kind: RollupKind,
        after: Option<&ExportedRollup>,
        kept: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Row>> {
        let (subject, place) = after.map_or((i64::MIN, i64::MIN), |row| (row.subject, row.place));
        let (dimension, value) = after.map_or((0, ""), |row| (row.dimension, row.value.as_str()));
        // If all events are there, no day is exported whole.
        let kept_day = kept.unwrap_or(i64::MIN / SLOTS_PER_DAY);
        Ok(on_tx!(self, |conn| match kind {
            RollupKind::KeptSince => {
                let day = kept.filter(|_| after.is_none());
                day.map(|day| (0, day, 0, String::new(), 0, 0, 0)).into_iter().collect()
            }
            RollupKind::Owner => sqlx::query_as(OWNERS).bind(subject).bind(limit).fetch_all(conn).await?,
            RollupKind::Day => {
                sqlx::query_as(DAYS).bind(subject).bind(place).bind(kept_day).bind(limit).fetch_all(conn).await?
            }
            RollupKind::Slot => {
                let statement = sqlx::query_as(SLOTS).bind(subject).bind(place).bind(kept_day * SLOTS_PER_DAY);
                statement.bind(limit).fetch_all(conn).await?
            }
            RollupKind::Value => {
                let statement = sqlx::query_as(VALUES).bind(subject).bind(place).bind(dimension).bind(value);
                statement.bind(kept_day).bind(limit).fetch_all(conn).await?
            }
        }))
    }
}

impl ExportedRollup {
    fn of(kind: RollupKind, (subject, place, dimension, value, people, bots, uniques): Row) -> Self {
        Self { kind, subject, place, dimension, value, people, bots, uniques }
    }
}
