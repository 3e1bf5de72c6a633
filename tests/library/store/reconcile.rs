//! Rollups that do not say what the events say are found, and repaired.

use buoy::{
    domain::{Subject, rollup::Dimension},
    stats::{
        NewClick,
        reconcile::{Counts, Difference},
    },
};

use crate::{
    common::{database::Kind, on_both_databases},
    store::{Fixture, at, batches::click},
};

on_both_databases!(
    nothing_differs_after_clicks,
    what_was_tampered_with_is_found_and_repaired,
    too_many_values_are_compared_as_far_as_can_be,
    days_without_events_are_left_alone,
    a_repair_while_clicks_come_in_loses_none,
    the_first_and_the_last_day_are_days_like_others,
);

const DAY: i64 = 86_400;

async fn differences(fixture: &Fixture, fix: bool) -> Vec<Difference> {
    let mut reconciliation = fixture.store.reconcile(fix).await.unwrap();
    let mut found = Vec::new();
    while let Some((_, differences)) = reconciliation.next_day().await.unwrap() {
        found.extend(differences);
    }
    found.extend(reconciliation.totals().await.unwrap());
    reconciliation.finish().await.unwrap();
    found
}

/// Clicks over two weeks: of people and programs, on links of two users and one whose owner is unknown.
async fn with_clicks(kind: Kind) -> Fixture {
    with_clicks_every(kind, 1_300).await
}

/// As many clicks, one in so many seconds.
async fn with_clicks_every(kind: Kind, seconds: i64) -> Fixture {
    let fixture = Fixture::new(kind).await;
    for (name, code) in [("ann", "a"), ("bob", "b")] {
        let user = fixture.user(name).await;
        fixture.url(user.id, code).await;
    }
    fixture.execute("UPDATE urls SET user_id = id").await;
    let mut clicks: Vec<NewClick<'_>> = (0..900).map(|n| click(1 + n % 3, 1 + n % 3, n * seconds)).collect();
    for (nth, click) in clicks.iter_mut().enumerate() {
        click.counted.is_bot = nth % 5 == 0;
        click.counted.owner = click.counted.owner.filter(|owner| owner.0 < 3);
        let details = if click.counted.is_bot {
            r#"{"bot":true}"#.to_owned()
        } else {
            click.counted.values = [(Dimension::Os, format!("os {}", nth % 7))].into_iter().collect();
            format!(r#"{{"os":"os {}"}}"#, nth % 7)
        };
        click.details = buoy::domain::Details::parse(details).unwrap();
    }
    for (nth, batch) in clicks.chunks(100).enumerate() {
        fixture.count_clicks(&format!("{nth}"), &batch.to_vec().into()).await;
    }
    fixture
}

async fn nothing_differs_after_clicks(kind: Kind) {
    let fixture = with_clicks(kind).await;
    assert_eq!(differences(&fixture, false).await, []);
    fixture.assert_clicks_add_up().await;
}

async fn what_was_tampered_with_is_found_and_repaired(kind: Kind) {
    let fixture = with_clicks_every(kind, 350).await;
    let first = at(0).timestamp().div_euclid(DAY);
    for (sql, places) in [
        (format!("UPDATE click_days SET people = people + 5 WHERE subject = 0 AND day = {first}"), 1),
        (format!("DELETE FROM click_days WHERE subject = -1 AND day = {first}"), 1),
        ("UPDATE click_slots SET bots = bots + 1 WHERE slot = (SELECT max(slot) FROM click_slots)".to_owned(), 2),
        (format!("DELETE FROM click_values WHERE subject = 0 AND day = {} AND value = 'os 1'", first + 2), 1),
        (format!("INSERT INTO click_values VALUES (2, {first}, 3, 'Lynx', 4)"), 1),
        // Of a day that has neither events nor a row.
        (format!("INSERT INTO click_slots VALUES (7, {}, 1, 1)", (first + 400) * 96), 1),
        (format!("INSERT INTO click_values VALUES (7, {}, 3, 'Lynx', 4)", first + 401), 1),
        (format!("INSERT INTO click_days VALUES (0, {}, 3, 0, 0)", first - 30), 1),
        ("UPDATE click_totals SET clicks = clicks - 1 WHERE url_id = 1".to_owned(), 1),
        ("DELETE FROM click_totals WHERE url_id = 3".to_owned(), 1),
    ] {
        fixture.execute(&sql).await;
        let found = differences(&fixture, false).await;
        assert!(found.len() >= places, "{sql}: {found:?}");
        assert_eq!(differences(&fixture, true).await, found, "{sql}");
        assert_eq!(differences(&fixture, false).await, [], "{sql}");
    }
    fixture.assert_clicks_add_up().await;
    // Every fault together, and an event that was not counted.
    for sql in ["DELETE FROM click_days", "DELETE FROM click_values WHERE value > 'os 3'", "DELETE FROM click_totals"] {
        fixture.execute(sql).await;
    }
    fixture.execute("UPDATE events SET event_type = 'click' WHERE event_type = 'created' AND url_id = 1").await;
    differences(&fixture, true).await;
    assert_eq!(differences(&fixture, false).await, []);
    fixture.assert_clicks_add_up().await;
}

async fn too_many_values_are_compared_as_far_as_can_be(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let from = |n: usize| {
        let mut click = click(1, 1, 0);
        click.counted.values = [(Dimension::Referrer, format!("{n}.example"))].into_iter().collect();
        click.details = buoy::domain::Details::parse(format!(r#"{{"referrer":"{n}.example"}}"#)).unwrap();
        click
    };
    for batch in 0..4 {
        let clicks: Vec<NewClick<'_>> = (0..160).map(|n| from(n / 2 + batch * 40)).collect();
        fixture.count_clicks(&format!("{batch}"), &clicks.into()).await;
        fixture.fold().await;
    }
    assert_eq!(differences(&fixture, false).await, []);
    fixture.execute("DELETE FROM click_values WHERE value = '3.example'").await;
    let found = differences(&fixture, true).await;
    assert!(
        found.iter().any(|difference| matches!(difference.counts, Counts::Value(_, _, ref value) if value == "other"))
    );
    assert_eq!(differences(&fixture, false).await, []);
    fixture.execute("UPDATE click_values SET clicks = clicks + 1 WHERE value = 'other' AND subject = 0").await;
    let found = differences(&fixture, true).await;
    assert_eq!((found.len(), found[0].subject), (1, Subject::ALL));
    fixture.assert_clicks_add_up().await;
}

async fn days_without_events_are_left_alone(kind: Kind) {
    let fixture = with_clicks(kind).await;
    let swept = fixture.store.sweep(Some(5), at(13 * DAY)).await.unwrap();
    assert!(swept.clicks > 100);
    assert_eq!(differences(&fixture, true).await, []);
    let since = fixture.store.clicks_kept_since().await.unwrap().unwrap();
    fixture.execute("UPDATE click_slots SET people = 77 WHERE slot = (SELECT min(slot) FROM click_slots)").await;
    fixture.execute(&format!("UPDATE click_days SET bots = bots + 1 WHERE day = {since} AND subject = 0")).await;
    let found = differences(&fixture, true).await;
    assert_eq!((found.len(), &found[0].counts), (1, &Counts::Day(since)));
}

async fn the_first_and_the_last_day_are_days_like_others(kind: Kind) {
    let fixture = with_clicks(kind).await;
    let moments = ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z"];
    let clicks: Vec<NewClick<'_>> = moments
        .iter()
        .map(|moment| {
            let mut click = click(1, 1, 0);
            click.counted.at = moment.parse().unwrap();
            click
        })
        .collect();
    fixture.count_clicks("far", &clicks.into()).await;
    assert_eq!(differences(&fixture, false).await, []);
    assert_eq!(differences(&fixture, true).await, []);
    fixture.execute("DELETE FROM click_days WHERE day = 2932896").await;
    assert_eq!(differences(&fixture, true).await.len(), 3, "the link's, its owner's, and that of all");
    assert_eq!(differences(&fixture, false).await, []);
    fixture.assert_clicks_add_up().await;
}

async fn a_repair_while_clicks_come_in_loses_none(kind: Kind) {
    let fixture = with_clicks(kind).await;
    fixture.execute("UPDATE click_days SET people = people + 3; UPDATE click_slots SET bots = bots + 1").await;
    let clicks = async {
        for nth in 0..30 {
            // Some large enough to leave their sums.
            let size = if nth % 3 == 0 { 150 } else { 20 };
            let batch: Vec<NewClick<'_>> = (0..size).map(|n| click(1 + n % 2, 1 + n % 2, nth * 20_000)).collect();
            fixture.count_clicks(&format!("live {nth}"), &batch.to_vec().into()).await;
        }
    };
    tokio::join!(clicks, differences(&fixture, true));
    assert_eq!(differences(&fixture, false).await, []);
    fixture.assert_clicks_add_up().await;
}
