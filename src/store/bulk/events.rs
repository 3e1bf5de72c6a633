//! Events in bulk: an event that is there is found by its id; without one it is always new.
//!
//! A click of a day whose events were deleted may be one of those that the rollups still count, so it is refused;
//! unless rollups of that day came with it, which say what to count: then it is stored alone.

use std::collections::HashSet;

use super::{
    Bulk, BulkEvent, Outcome,
    cell::Cell,
    sequences::Numbered,
    staging::{Staging, staging},
    users::CHANGED_MEANWHILE,
};
use crate::{
    db::{Result, columns::event_columns, on_tx},
    domain::rollup::{FIRST_DAY, first_moment},
};

const STAGING: Staging = staging!("import_events", event_columns!());
const BY_NOBODY: &str = r"
    DELETE FROM import_events
    WHERE (SELECT c.user_id FROM import_claims c WHERE c.row_id = import_events.user_id) = 0
    RETURNING nth
";
const DIVERT: &str = r"
    UPDATE import_events
    SET user_id = (SELECT c.user_id FROM import_claims c WHERE c.row_id = import_events.user_id)
    WHERE (SELECT c.user_id FROM import_claims c WHERE c.row_id = import_events.user_id) <> user_id
";
/// Clicks from `$1` until before `$2` that are not there.
const GONE_BY: &str = r"
    DELETE FROM import_events
    WHERE event_type = 'click'
        AND timestamp >= $1
        AND timestamp < $2
        AND (SELECT count(*) FROM events e WHERE e.id = import_events.id) = 0
    RETURNING nth
";
const INSERT_WITH_ID: &str = concat!(
    "INSERT INTO events (",
    event_columns!(),
    ")\n    SELECT ",
    event_columns!(),
    r" FROM import_events
    WHERE id IS NOT NULL
    ORDER BY nth
    ON CONFLICT DO NOTHING
    RETURNING id
    ",
);
const INSERT_WITHOUT_ID: &str = r"
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT url_id, user_id, event_type, timestamp, details FROM import_events
    WHERE id IS NULL
    ORDER BY nth
";
/// Rows with an id that stand for no event, and whether it is their id that is taken.
const UNPLACED: &str = r"
    SELECT s.nth, (SELECT count(*) FROM events e WHERE e.id = s.id)
    FROM import_events s
    WHERE s.id IS NOT NULL
        AND (
            SELECT count(*) FROM events e
            WHERE e.id = s.id
                AND e.url_id = s.url_id
                AND e.event_type = s.event_type
                AND e.timestamp = s.timestamp
        ) = 0
    ORDER BY s.nth
";

impl BulkEvent {
    fn cells(&self) -> [Cell<'_>; 6] {
        [
            Cell::Number(self.id.map(|id| id.0)),
            Cell::Number(Some(self.url_id.0)),
            Cell::Number(self.user_id.map(|id| id.0)),
            Cell::Text(Some(self.event_type.as_str())),
            Cell::Time(Some(self.timestamp)),
            Cell::Text(Some(self.details.as_str())),
        ]
    }
}

impl Bulk<'_> {
    /// Finds or stores events, whatever they name: they outlive links and users. Until the transaction ends no others
    /// are deleted for their age.
    pub async fn events(&mut self, rows: &[BulkEvent]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.stage(&STAGING, rows.iter().map(BulkEvent::cells).collect()).await?;
        if self.diverted {
            self.refuse(BY_NOBODY, "user_id", "names a user whose row was left out", &mut outcome).await?;
            self.run(DIVERT).await?;
        }
        let kept_since = self.tx.hold_kept_since().await?;
        if let Some(since) = kept_since {
            self.refuse_gone_by(since, &mut outcome).await?;
        }
        let new = self.numbers(INSERT_WITH_ID).await?;
        outcome.created = new.len() as u64;
        if rows.iter().any(|row| row.id.is_none()) {
            self.advance_sequence(Numbered::Events).await?;
            outcome.created += self.run(INSERT_WITHOUT_ID).await?;
        }
        if outcome.created + (outcome.refused.len() as u64) < rows.len() as u64 {
            let unplaced: Vec<(i64, i64)> = on_tx!(self.tx, |conn| sqlx::query_as(UNPLACED).fetch_all(conn).await?);
            for (nth, holders) in unplaced {
                outcome.refuse(nth, "id", if holders > 0 { "belongs to another event" } else { CHANGED_MEANWHILE });
            }
        }
        self.set_aside(&stored(rows, new, &outcome), kept_since.unwrap_or(i64::MIN)).await?;
        Ok(outcome.count_found(rows.len()))
    }

    /// Refuses clicks of the days before `since` that no rollups came with.
    async fn refuse_gone_by(&mut self, since: i64, outcome: &mut Outcome) -> Result<()> {
        let from = first_moment(self.whole_until.unwrap_or(FIRST_DAY));
        let gone: Vec<i64> = on_tx!(self.tx, |conn| {
            sqlx::query_scalar(GONE_BY).bind(from).bind(first_moment(since)).fetch_all(conn).await?
        });
        for nth in gone {
            outcome.refuse(
                nth,
                "timestamp",
                "is of a day whose clicks were deleted for their age and may be counted already",
            );
        }
        Ok(())
    }
}

/// Which of the rows were not there before: those whose id is among `new`, each id once, and those without one.
fn stored<'r>(rows: &'r [BulkEvent], new: Vec<i64>, outcome: &Outcome) -> Vec<&'r BulkEvent> {
    let refused: HashSet<usize> = outcome.refused.iter().map(|refusal| refusal.nth).collect();
    let mut new: HashSet<i64> = new.into_iter().collect();
    let mut is_new = |(nth, row): &(usize, &'r BulkEvent)| match row.id {
        Some(id) => !refused.contains(nth) && new.remove(&id.0),
        None => !refused.contains(nth),
    };
    rows.iter().enumerate().filter(|row| is_new(row)).map(|(_, row)| row).collect()
}
