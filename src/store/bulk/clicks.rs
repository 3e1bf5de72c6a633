//! Rollups of clicks stored in bulk: what each chunk adds is put aside, and added to the rollups at the very end.
//!
//! Live clicks lock the rows of their days in one order. An import cannot, since it sees its clicks chunk by chunk; it
//! would hold rows for minutes besides. So it touches none before its end, and then locks the whole table.

use super::{Bulk, BulkEvent};
use crate::{
    db::{
        Result,
        batch_rows::over_rows,
        dialect::{self, Sql},
    },
    domain::{
        EventType, UrlId,
        rollup::{day_of, day_of_slot, values_kept},
    },
    stats::{
        Counted,
        rollups::{Sums, tally_columns, total_columns, value_columns},
    },
};

const ADD_SLOTS: Sql = over_rows!(
    "INSERT INTO import_slots (subject, slot, people, bots) SELECT b.subject, b.slot, b.people, b.bots",
    (1 "bigint" "subject", 2 "bigint" "slot", 3 "bigint" "people", 4 "bigint" "bots"),
    ""
);
const ADD_VALUES: Sql = over_rows!(
    "INSERT INTO import_values (subject, day, dimension, value, clicks) \
     SELECT b.subject, b.day, b.dimension, b.value, b.clicks",
    (1 "bigint" "subject", 2 "bigint" "day", 3 "bigint" "dimension", 4 "text" "value", 5 "bigint" "clicks"),
    ""
);
const ADD_TOTALS: Sql = over_rows!(
    "INSERT INTO import_totals (url_id, user_id, clicks, bots) SELECT b.url_id, b.user_id, b.clicks, b.bots",
    (1 "bigint" "url_id", 2 "bigint" "user_id", 3 "bigint" "clicks", 4 "bigint" "bots"),
    ""
);

const MERGE_DAYS: &str = concat!(
    r"
    INSERT INTO click_days (subject, day, people, bots, uniques)
    SELECT s.subject, ",
    day_of_slot!("s.slot"),
    r", sum(s.people), sum(s.bots), 0
    FROM import_slots s
    WHERE TRUE
    GROUP BY 1, 2
    ON CONFLICT (subject, day) DO UPDATE
    SET people = click_days.people + excluded.people, bots = click_days.bots + excluded.bots"
);
const MERGE_SLOTS: &str = r"
    INSERT INTO click_slots (subject, slot, people, bots)
    SELECT s.subject, s.slot, sum(s.people), sum(s.bots)
    FROM import_slots s
    WHERE TRUE
    GROUP BY 1, 2
    ON CONFLICT (subject, slot) DO UPDATE
    SET people = click_slots.people + excluded.people, bots = click_slots.bots + excluded.bots";
const MERGE_TOTALS: &str = r"
    INSERT INTO click_totals (url_id, user_id, clicks, bots)
    SELECT s.url_id, max(s.user_id), sum(s.clicks), sum(s.bots)
    FROM import_totals s
    WHERE TRUE
    GROUP BY 1
    ON CONFLICT (url_id) DO UPDATE
    SET clicks = click_totals.clicks + excluded.clicks,
        bots = click_totals.bots + excluded.bots,
        user_id = coalesce(click_totals.user_id, excluded.user_id)";
/// Values that have a row come first, then as many others as there is room for, the most frequent first; the rest is
/// `other`.
const MERGE_VALUES: &str = concat!(
    r"
    INSERT INTO click_values (subject, day, dimension, value, clicks)
    SELECT subject, day, dimension, kept, sum(clicks)
    FROM (
        SELECT r.subject, r.day, r.dimension, r.clicks,
            CASE
                WHEN r.is_there = 1 OR r.value = 'other' OR r.place <= ",
    values_kept!(),
    r" - (
                    SELECT count(*)
                    FROM click_values o
                    WHERE o.subject = r.subject
                    AND o.day = r.day
                    AND o.dimension = r.dimension
                    AND o.value <> 'other'
                ) THEN r.value
                ELSE 'other'
            END AS kept
        FROM (
            SELECT c.*,
                row_number() OVER (PARTITION BY subject, day, dimension, is_there ORDER BY clicks DESC, value) AS place
            FROM (
                SELECT s.subject, s.day, s.dimension, s.value, sum(s.clicks) AS clicks,
                    CASE
                        WHEN s.value = 'other' THEN 2
                        WHEN EXISTS (
                            SELECT 1
                            FROM click_values v
                            WHERE v.subject = s.subject
                            AND v.day = s.day
                            AND v.dimension = s.dimension
                            AND v.value = s.value
                        ) THEN 1
                        ELSE 0
                    END AS is_there
                FROM import_values s
                GROUP BY 1, 2, 3, 4
            ) c
        ) r
    ) k
    WHERE TRUE
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (subject, day, dimension, value) DO UPDATE
    SET clicks = click_values.clicks + excluded.clicks"
);

impl Bulk<'_> {
    /// Puts aside what these events add to the rollups: those of them that are clicks of days from `from` on.
    pub(super) async fn set_aside(&mut self, events: &[&BulkEvent], from: i64) -> Result<()> {
        let click = EventType::click();
        let counts = |event: &&&BulkEvent| event.event_type == click && day_of(event.timestamp) >= from;
        let clicks: Vec<&&BulkEvent> = events.iter().filter(counts).collect();
        let urls: Vec<UrlId> = clicks.iter().map(|event| event.url_id).collect();
        let owners = self.tx.owners(&urls).await?;
        self.has_clicks |= !clicks.is_empty();
        let sums: Sums<'_> = clicks
            .into_iter()
            .map(|event| {
                let owner = owners.get(&event.url_id).copied();
                Counted::posted(event.url_id, owner, event.timestamp, &event.details)
            })
            .collect();
        let deltas = sums.deltas();
        self.tx.change_rows(ADD_SLOTS, tally_columns(&deltas.slots)).await?;
        self.tx.change_rows(ADD_TOTALS, total_columns(&deltas.totals)).await?;
        self.tx.change_rows(ADD_VALUES, value_columns(&deltas.values)).await?;
        Ok(())
    }

    /// Adds to the rollups what was put aside.
    pub(super) async fn merge_clicks(&mut self) -> Result<()> {
        if !self.has_clicks {
            return Ok(());
        }
        self.run(dialect::LOCK_ROLLUPS.on(self.tx.is_embedded())).await?;
        for sql in [MERGE_DAYS, MERGE_SLOTS, MERGE_VALUES, MERGE_TOTALS] {
            self.run(sql).await?;
        }
        Ok(())
    }
}
