//! What is past its time goes, and what is older than the rollups is added to them.

use buoy::{
    domain::{Details, EventType, page::PageStart},
    stats::{
        NewClick,
        retention::{MAX_LEAP, Swept},
    },
    store::EventFilter,
};

use crate::{
    common::{database::Kind, on_both_databases, sums::number},
    store::{Fixture, at, batches::click},
};

on_both_databases!(
    old_clicks_go_and_their_rollups_stay,
    many_clicks_go_in_steps,
    visitors_are_forgotten_after_two_days,
    a_clock_that_is_far_ahead_deletes_no_archive,
);

const DAY: i64 = 86_400;

async fn count(fixture: &Fixture, sql: &str) -> i64 {
    number(&fixture.database, &format!("SELECT CAST({sql} AS BIGINT)")).await
}

async fn old_clicks_go_and_their_rollups_stay(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let ann = fixture.user("ann").await;
    fixture.url(ann.id, "code").await;
    for days in 0..10 {
        fixture.count_clicks(&format!("{days}"), &[click(1, 1, -days * DAY)].into()).await;
    }
    assert_eq!(fixture.store.sweep(None, at(0)).await.unwrap(), Swept::default());
    assert_eq!(fixture.store.clicks_kept_since().await.unwrap(), None);
    assert_eq!(fixture.store.sweep(Some(10), at(0)).await.unwrap().clicks, 0);
    assert_eq!(fixture.store.clicks_kept_since().await.unwrap(), None, "nothing was deleted");
    assert_eq!(fixture.store.sweep(Some(3), at(0)).await.unwrap().clicks, 6);
    let today = at(0).timestamp().div_euclid(DAY);
    assert_eq!(fixture.store.clicks_kept_since().await.unwrap(), Some(today - 3));
    // A longer time brings nothing back.
    assert_eq!(fixture.store.sweep(Some(9), at(0)).await.unwrap().clicks, 0);
    assert_eq!(fixture.store.clicks_kept_since().await.unwrap(), Some(today - 3));
    assert_what_is_left(&fixture).await;
}

async fn assert_what_is_left(fixture: &Fixture) {
    let events =
        fixture.store.events(&EventFilter::default(), Default::default(), PageStart::Offset(0), 100).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.event_type == EventType::created()).count(), 1);
    assert_eq!(events.len(), 5);
    for sum in ["(SELECT sum(people) FROM click_days WHERE subject = 1)", "(SELECT sum(clicks) FROM click_totals)"] {
        assert_eq!(count(fixture, sum).await, 10, "{sum}");
    }
}

async fn many_clicks_go_in_steps(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let clicks: Vec<NewClick<'_>> = (0..11_000).map(|n| click(1, 1, n)).collect();
    fixture.count_clicks("many", &clicks.into()).await;
    let (one, two) = tokio::join!(fixture.store.sweep(Some(1), at(9 * DAY)), fixture.store.sweep(Some(1), at(9 * DAY)));
    assert_eq!(one.unwrap().clicks + two.unwrap().clicks, 11_000);
    assert_eq!(count(&fixture, "(SELECT count(*) FROM events)").await, 0);
}

async fn a_clock_that_is_far_ahead_deletes_no_archive(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for days in 0..40 {
        fixture.count_clicks(&format!("{days}"), &[click(1, 1, -days * DAY)].into()).await;
    }
    let sweep = async |days: i64| {
        let swept = fixture.store.sweep(Some(30), at(days * DAY)).await.unwrap();
        (swept.clicks, swept.leap)
    };
    assert_eq!(sweep(0).await, (9, 0));
    // As often as it runs: a week beyond the last time goes, and no more.
    assert_eq!(sweep(365).await, (MAX_LEAP.unsigned_abs(), 365));
    assert_eq!(sweep(366).await, (0, 366));
    // The clock is right again.
    assert_eq!(sweep(8).await, (0, 8));
    assert_eq!(sweep(7).await, (0, 7));
    assert_eq!(sweep(14).await, (7, 7));
    // It is right, and the service was off for a year.
    assert_eq!(sweep(365).await, (7, 351));
    fixture.store.believe_clock(at(365 * DAY)).await.unwrap();
    assert_eq!(sweep(365).await, (10, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_not_left_in_the_file() {
    let fixture = Fixture::new(Kind::Sqlite).await;
    let today = at(0).timestamp().div_euclid(DAY);
    let user = fixture.user("a-user-who-leaves").await;
    let salt = fixture.store.visitor_salt(today - 3, &[0xab; 32]).await.unwrap();
    let is_there = |text: &str| {
        let files = std::fs::read_dir(fixture.database.folder()).unwrap();
        let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        contents.into_iter().any(|content| content.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    let (email, salt) = ("a-user-who-leaves@example.com", hex::encode(salt));
    assert!(is_there(email) && is_there(&salt));
    fixture.delete_user(user.id, at(0), &Details::none()).await.unwrap();
    assert_eq!(fixture.store.sweep(None, at(0)).await.unwrap(), Swept::default());
    assert!(!is_there(email), "the address of a user who was deleted");
    assert!(!is_there(&salt), "the salt of a day that is past");
}

async fn visitors_are_forgotten_after_two_days(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let today = at(0).timestamp().div_euclid(DAY);
    for day in 0..4 {
        fixture.store.visitor_salt(today - day, &[7; 32]).await.unwrap();
        let mut by_visitor: Vec<NewClick<'_>> = (0..2_000).map(|n| click(1 + n % 3, 1, -day * DAY)).collect();
        (0..).zip(&mut by_visitor).for_each(|(n, click)| click.counted.visitor = Some(n));
        fixture.count_clicks(&format!("{day}"), &by_visitor.into()).await;
    }
    fixture.fold().await;
    let before = count(&fixture, "(SELECT count(*) FROM visitors)").await;
    assert_eq!(before, 4 * 3 * 2_000);
    assert_eq!(fixture.store.sweep(None, at(0)).await.unwrap().visitors, 2 * 3 * 2_000);
    for table in ["visitors", "visitor_salts"] {
        assert_eq!(count(&fixture, &format!("(SELECT min(day) FROM {table})")).await, today - 1, "{table}");
    }
    assert_eq!(count(&fixture, "(SELECT sum(uniques) FROM click_days WHERE subject = 0)").await, 8_000);
}
