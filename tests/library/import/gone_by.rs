//! Clicks of days whose events were deleted for their age: an import counts none of them a second time.

use chrono::Duration;

use crate::{
    common::{database::Kind, on_both_databases, sums::number},
    import::world::{World, strict},
};

on_both_databases!(
    a_click_that_was_deleted_is_refused,
    what_is_there_or_no_click_is_taken,
    rollups_speak_for_the_days_they_hold,
);

const USERS: &str = "id,username,email\n1,ann,ann@x.example\n";
const URLS: &str = "id,user_id,original_url,short_code\n1,1,https://x.example/1,one\n";
const ROLLUPS: &str = "rollup,subject,user_id,at,dimension,value,people,bots,uniques\n";

/// The day so many days ago, as files have it.
fn day(ago: i64) -> String {
    (strict().now - Duration::days(ago)).format("%Y-%m-%d").to_string()
}

/// A click at noon of each of these days, with ids from 1 on.
fn clicks(days: &[i64]) -> String {
    let rows = (1..).zip(days).map(|(id, ago)| format!("{id},1,click,{} 12:00:00\n", day(*ago)));
    format!("id,url_id,event_type,timestamp\n{}", rows.collect::<String>())
}

/// A database in which the clicks of more than three days ago are gone.
async fn pruned(kind: Kind) -> World {
    let world = World::new(kind).await;
    world.counts(&[USERS, URLS, &clicks(&[9, 8, 2, 1])]).await;
    assert_eq!(world.store.sweep(Some(3), strict().now).await.unwrap().clicks, 2);
    world
}

async fn counted(world: &World) -> (i64, i64) {
    let total = number(&world.database, "SELECT clicks FROM click_totals WHERE url_id = 1").await;
    let days = "SELECT CAST(sum(people + bots) AS BIGINT) FROM click_days WHERE subject = 1";
    (total, number(&world.database, days).await)
}

async fn assert_agrees(world: &World) {
    let mut reconciliation = world.store.reconcile(false).await.unwrap();
    while let Some((day, differences)) = reconciliation.next_day().await.unwrap() {
        assert_eq!(differences, [], "{day}");
    }
    assert_eq!(reconciliation.totals().await.unwrap(), []);
    reconciliation.finish().await.unwrap();
}

async fn a_click_that_was_deleted_is_refused(kind: Kind) {
    let world = pruned(kind).await;
    let why = "timestamp: is of a day whose clicks were deleted for their age and may be counted already";
    let again = clicks(&[9, 8, 2, 1]);
    assert_eq!(world.bad_rows(&[&again]).await, [format!("0.csv:2: {why}"), format!("0.csv:3: {why}")]);
    assert_eq!(world.counts(&[&again]).await, [(0, 2, 2)]);
    // Without an id it cannot be told from those that are gone either.
    let nameless = format!("url_id,event_type,timestamp\n1,click,{} 12:00:00\n", day(9));
    assert_eq!(world.counts(&[&nameless]).await, [(0, 0, 1)]);
    assert_eq!(counted(&world).await, (4, 4));
    assert_agrees(&world).await;
}

async fn what_is_there_or_no_click_is_taken(kind: Kind) {
    let world = pruned(kind).await;
    let midnight = format!("7,1,click,{} 00:00:00\n8,1,click,{} 23:59:59\n9,1,view,{0} 00:00:00\n", day(3), day(4));
    let events = format!("id,url_id,event_type,timestamp\n{midnight}");
    assert_eq!(world.counts(&[&events]).await, [(2, 0, 1)], "the first day that is kept begins at midnight");
    assert_eq!(counted(&world).await, (5, 5));
    // A click that its retention has not caught up with is found.
    let left = format!("(20, 1, 'click', '{}T12:00:00+00:00', '{{}}')", day(8));
    world
        .database
        .execute(&format!("INSERT INTO events (id, url_id, event_type, timestamp, details) VALUES {left}"))
        .await;
    let events = format!("id,url_id,event_type,timestamp\n20,1,click,{} 12:00:00\n", day(8));
    assert_eq!(world.counts(&[&events]).await, [(0, 1, 0)]);
    assert_eq!(counted(&world).await, (5, 5));
    assert_agrees(&world).await;
}

async fn rollups_speak_for_the_days_they_hold(kind: Kind) {
    let world = World::new(kind).await;
    let rows = |until: i64| {
        let days = format!("day,1,,{0},,,2,0,2\nday,-1,,{0},,,2,0,2\nday,0,,{0},,,2,0,2\n", day(8));
        format!("{ROLLUPS}kept_since,0,,{},,,,,\n{days}", day(until))
    };
    // One of the two clicks of that day came with the rollups: it is stored, and not counted again.
    let counts = world.counts(&[USERS, URLS, &rows(7), &clicks(&[8, 6, 2])]).await;
    assert_eq!(counts, [(1, 0, 0), (1, 0, 0), (4, 0, 0), (3, 0, 0)]);
    assert_eq!(counted(&world).await, (4, 4));
    assert_agrees(&world).await;
    // Another export of the same link knows less of the past than this database has already forgotten.
    assert_eq!(world.store.sweep(Some(3), strict().now).await.unwrap().clicks, 2);
    let later = format!("{}day,1,,{},,,9,0,1\n", rows(7), day(5));
    let counts = world.counts(&[&later, &clicks(&[8, 6, 2])]).await;
    assert_eq!(counts[1], (1, 1, 1), "of day 6 neither the rollups nor this database can tell");
    assert_eq!(counted(&world).await, (4, 4));
    assert_agrees(&world).await;
}
