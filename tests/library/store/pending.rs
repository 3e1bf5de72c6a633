//! Pending rows: each is folded once, whichever replica folds, and no reader misses one.

use buoy::stats::NewClick;

use crate::{
    common::{
        database::{Database, Kind},
        on_both_databases,
        sums::number,
    },
    store::{Fixture, LOCK_TIMEOUT, at, batches::click},
};

on_both_databases!(
    batches_are_folded_once,
    what_is_due_is_folded_and_the_rest_may_wait,
    a_comparison_folds_first,
    an_export_folds_first,
);

/// Clicks of two links from several visitors.
fn clicks(count: i64) -> Vec<NewClick<'static>> {
    let mut clicks: Vec<_> = (0..count).map(|n| click(1 + n % 2, 1, n * 40)).collect();
    (0..).zip(&mut clicks).for_each(|(n, click)| click.counted.visitor = Some(n % 17));
    clicks
}

/// Rows that are to be folded into the rollups.
async fn pending(database: &Database) -> i64 {
    number(database, "SELECT count(*) FROM click_pending").await
}

const TOTAL: &str = "SELECT CAST(coalesce(sum(clicks), 0) AS BIGINT) FROM click_totals";

async fn store(fixture: &Fixture, id: &str, count: i64, seconds: i64) {
    fixture.store.store_clicks(id, &clicks(count).into(), at(seconds)).await.unwrap();
}

async fn batches_are_folded_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for nth in 0..5 {
        store(&fixture, &format!("large {nth}"), 300, 0).await;
    }
    store(&fixture, "small", 100, 0).await;
    store(&fixture, "large 0", 300, 0).await;
    let (left, summed) = if kind == Kind::Postgres { (6, 0) } else { (0, 1_600) };
    assert_eq!((pending(&fixture.database).await, number(&fixture.database, TOTAL).await), (left, summed));
    let (one, two) = tokio::join!(fixture.store.fold_clicks(LOCK_TIMEOUT), fixture.store.fold_clicks(LOCK_TIMEOUT));
    assert_eq!(one.unwrap() + two.unwrap(), left.unsigned_abs());
    assert_eq!((pending(&fixture.database).await, number(&fixture.database, TOTAL).await), (0, 1_600));
    fixture.assert_clicks_add_up().await;
    let uniques = "SELECT CAST(sum(uniques) AS BIGINT) FROM click_days WHERE subject = 0";
    assert!(number(&fixture.database, uniques).await >= 17);
}

async fn what_is_due_is_folded_and_the_rest_may_wait(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let due = async |seconds| fixture.store.fold_due_clicks(at(seconds), LOCK_TIMEOUT).await.unwrap();
    assert_eq!(due(100).await, 0, "nothing is left where nothing was");
    store(&fixture, "one", 300, 10).await;
    store(&fixture, "two", 300, 20).await;
    if kind == Kind::Postgres {
        assert_eq!(due(9).await, 0);
        assert_eq!(number(&fixture.database, TOTAL).await, 0);
    }
    assert_eq!(due(10).await, if kind == Kind::Postgres { 2 } else { 0 });
    assert_eq!((pending(&fixture.database).await, number(&fixture.database, TOTAL).await), (0, 600));
}

async fn a_comparison_folds_first(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    store(&fixture, "large", 300, 0).await;
    let mut comparison = fixture.store.reconcile(false).await.unwrap();
    while let Some((day, differences)) = comparison.next_day().await.unwrap() {
        assert_eq!(differences.len(), 0, "day {day}");
    }
    comparison.finish().await.unwrap();
    assert_eq!(pending(&fixture.database).await, 0);
}

async fn an_export_folds_first(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    store(&fixture, "large", 300, 0).await;
    let folder = tempfile::tempdir().unwrap();
    buoy::export::export(&fixture.store, folder.path(), true, buoy::export::Form::AsStored, &()).await.unwrap();
    assert_eq!((pending(&fixture.database).await, number(&fixture.database, TOTAL).await), (0, 300));
}
