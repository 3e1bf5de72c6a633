//! The watermark of the ledger: commits in another order than ids, long transactions, and every event once.

use std::collections::BTreeSet;

use buoy::{
    stats::Watermark,
    store::{EventFilter, Gap, LedgerEvent},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    store::{Fixture, at, batches::click},
};

on_both_databases!(
    the_watermark_is_the_last_event,
    clicks_that_are_gone_are_a_gap,
    followers_of_many_writers_see_every_event_once
);

const EVENT: &str = "INSERT INTO events (url_id, event_type, timestamp, details) VALUES (1, 'note', now(), '{}')";

/// A transaction by hand.
struct ByHand(PgConnection);

impl ByHand {
    async fn begin(database: &Database) -> Self {
        let mut this = Self(PgConnection::connect(&database.url).await.unwrap());
        this.run("BEGIN").await;
        this
    }

    async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await.unwrap();
    }

    /// Writes an event; answers its id.
    async fn write(&mut self) -> i64 {
        let sql = AssertSqlSafe(format!("{EVENT} RETURNING id"));
        sqlx::query_scalar(sql).fetch_one(&mut self.0).await.unwrap()
    }
}

async fn the_watermark_is_the_last_event(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut watermark = Watermark::default();
    assert_eq!(watermark.advance(&fixture.store).await.unwrap(), Some(0));
    fixture.store.store_clicks("one", &vec![click(1, 1, 0); 3].into(), at(0)).await.unwrap();
    assert_eq!(watermark.advance(&fixture.store).await.unwrap(), Some(3));
    fixture.store.store_clicks("many", &vec![click(1, 1, 0); 200].into(), at(0)).await.unwrap();
    assert_eq!((watermark.advance(&fixture.store).await.unwrap(), watermark.is_held_back()), (Some(203), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_committed_late_is_not_passed_over() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let mut watermark = Watermark::default();
    let mut late = ByHand::begin(&fixture.database).await;
    let first = late.write().await;
    let mut early = ByHand::begin(&fixture.database).await;
    let second = early.write().await;
    early.run("COMMIT").await;
    assert!(first < second);
    assert_eq!(watermark.advance(&fixture.store).await.unwrap(), None, "the smaller id is still to come");
    assert!(watermark.is_held_back());
    // A reader that begins now knows as much.
    assert_eq!(Watermark::default().advance(&fixture.store).await.unwrap(), None);
    late.run("COMMIT").await;
    assert_eq!(watermark.advance(&fixture.store).await.unwrap(), Some(second));
    let read = fixture.store.events_between(0, second, 10).await.unwrap();
    assert_eq!(read.iter().map(|row| row.event.id.0).collect::<Vec<_>>(), [first, second]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_never_committed_holds_nothing_back_for_good() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let mut watermark = Watermark::default();
    let mut undone = ByHand::begin(&fixture.database).await;
    undone.write().await;
    let mut held = ByHand::begin(&fixture.database).await;
    let kept = held.write().await;
    held.run("COMMIT").await;
    assert_eq!(watermark.advance(&fixture.store).await.unwrap(), None);
    // The connection breaks: the server rolls back.
    drop(undone);
    while watermark.advance(&fixture.store).await.unwrap() < Some(kept) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(watermark.advance(&fixture.store).await.unwrap(), Some(kept));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transaction_that_writes_no_events_holds_nothing_back() {
    let fixture = Fixture::new(Kind::Postgres).await;
    fixture.user("ann").await;
    let mut other = ByHand::begin(&fixture.database).await;
    other.run("UPDATE users SET email = 'other@example.com'; SELECT count(*) FROM events").await;
    let mut writer = ByHand::begin(&fixture.database).await;
    let written = writer.write().await;
    writer.run("COMMIT").await;
    assert_eq!(Watermark::default().advance(&fixture.store).await.unwrap(), Some(written));
}

async fn clicks_that_are_gone_are_a_gap(kind: Kind) {
    const DAY: i64 = 86_400;
    let fixture = Fixture::new(kind).await;
    let clicks: EventFilter = EventFilter { url_id: Some(buoy::domain::UrlId(1)), ..EventFilter::default() };
    for days in [9, 2, 1] {
        fixture.store.store_clicks(&format!("{days}"), &vec![click(1, 1, -days * DAY)].into(), at(0)).await.unwrap();
    }
    assert_eq!(fixture.store.gap_after(0, &clicks).await.unwrap(), None);
    assert_eq!(fixture.store.sweep(Some(5), at(0)).await.unwrap().clicks, 1);
    let day = buoy::domain::rollup::day_of(at(-5 * DAY));
    let gap = Gap { kept_since: buoy::domain::rollup::first_moment(day) };
    for (after, expected) in [(0, Some(gap)), (1, Some(gap)), (2, None), (3, None), (99, None)] {
        assert_eq!(fixture.store.gap_after(after, &clicks).await.unwrap(), expected, "{after}");
    }
    let notes = EventFilter { event_type: Some("note".parse().unwrap()), ..EventFilter::default() };
    assert_eq!(fixture.store.gap_after(0, &notes).await.unwrap(), None);
}

async fn followers_of_many_writers_see_every_event_once(kind: Kind) {
    const WRITERS: usize = 4;
    const BATCHES: usize = 15;
    let fixture = Fixture::new(kind).await;
    let writers = (0..WRITERS).map(|writer| {
        let store = fixture.store.clone();
        tokio::spawn(async move {
            for batch in 0..BATCHES {
                // Small batches by INSERT, large ones by COPY.
                let size = if batch % 3 == 0 { 150 } else { 7 };
                let clicks = vec![click(1, 1, 0); size];
                store.store_clicks(&format!("{writer}-{batch}"), &clicks.into(), at(0)).await.unwrap();
            }
        })
    });
    let written = tokio::spawn(futures_util::future::join_all(writers.collect::<Vec<_>>()));
    let (mut watermark, mut seen, mut cursor) = (Watermark::default(), Vec::new(), 0);
    loop {
        let done = written.is_finished();
        let until = watermark.advance(&fixture.store).await.unwrap().unwrap_or(0);
        loop {
            let rows: Vec<LedgerEvent> = fixture.store.events_between(cursor, until, 100).await.unwrap();
            let Some(last) = rows.last() else { break };
            cursor = last.event.id.0;
            seen.extend(rows.iter().map(|row| row.event.id.0));
        }
        if done && !watermark.is_held_back() {
            break;
        }
    }
    written.await.unwrap().into_iter().for_each(|writer| writer.unwrap());
    let all = WRITERS * (BATCHES / 3 * 150 + BATCHES * 2 / 3 * 7);
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (all, all));
    assert!(seen.is_sorted());
}
