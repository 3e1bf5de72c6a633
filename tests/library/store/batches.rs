//! Batches of clicks: written once, however often they are tried.

use buoy::{
    domain::{Details, UrlId, UserId, page::PageStart},
    stats::{Counted, NewClick},
    store::EventFilter,
};

use crate::{
    common::{database::Kind, on_both_databases},
    store::{Fixture, at},
};

on_both_databases!(
    a_batch_is_stored_once,
    old_receipts_are_forgotten,
    a_large_batch_is_stored_whole,
    events_are_the_same_whatever_their_batch,
    a_large_batch_with_a_fault_leaves_nothing,
);

pub(crate) fn click(url: i64, owner: i64, seconds: i64) -> NewClick<'static> {
    let counted = Counted {
        url_id: UrlId(url),
        owner: Some(UserId(owner)),
        at: at(seconds),
        is_bot: false,
        visitor: None,
        values: Default::default(),
    };
    NewClick { counted, details: Details::none() }
}

fn clicks(count: usize) -> Vec<NewClick<'static>> {
    vec![click(1, 1, 0); count]
}

async fn stored(fixture: &Fixture) -> i64 {
    fixture.store.count_events(&Default::default()).await.unwrap()
}

async fn a_batch_is_stored_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for _ in 0..3 {
        fixture.store.store_clicks("one", &clicks(5).into(), at(0)).await.unwrap();
    }
    fixture.store.store_clicks("two", &clicks(2).into(), at(0)).await.unwrap();
    assert_eq!(stored(&fixture).await, 7);
    fixture.assert_clicks_add_up().await;
}

async fn old_receipts_are_forgotten(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.store.store_clicks("old", &clicks(1).into(), at(0)).await.unwrap();
    fixture.store.store_clicks("new", &clicks(1).into(), at(10)).await.unwrap();
    assert_eq!(fixture.store.prune_receipts(at(5)).await.unwrap(), 1);
    fixture.store.store_clicks("new", &clicks(1).into(), at(20)).await.unwrap();
    assert_eq!(stored(&fixture).await, 2);
}

async fn a_large_batch_is_stored_whole(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.store.store_clicks("large", &clicks(12_345).into(), at(0)).await.unwrap();
    assert_eq!(stored(&fixture).await, 12_345);
    fixture.assert_clicks_add_up().await;
}

/// Clicks of one link with all that its events can hold.
fn of_all_kinds(count: i64) -> Vec<NewClick<'static>> {
    let texts = [r"{}", r#"{"a":"\\ \" \n \t"}"#, r#"{"b":"é 🛟","c":[1,null]}"#];
    let of = |n: i64| {
        // Back to 1900, with microseconds.
        let mut click = click(1, 1, -n * 31_536_000);
        click.counted.at += chrono::Duration::microseconds(n);
        click.details = Details::parse(texts[usize::try_from(n).unwrap() % texts.len()]).unwrap();
        click
    };
    (0..count).map(of).collect()
}

async fn events_are_the_same_whatever_their_batch(kind: Kind) {
    let (one_by_one, together) = (Fixture::new(kind).await, Fixture::new(kind).await);
    let clicks = of_all_kinds(125);
    for (n, click) in clicks.iter().enumerate() {
        one_by_one.store.store_clicks(&n.to_string(), &[click.clone()].into(), at(0)).await.unwrap();
    }
    together.store.store_clicks("all", &clicks.into(), at(0)).await.unwrap();
    let events = |fixture: &Fixture| {
        let store = fixture.store.clone();
        async move { store.events(&EventFilter::default(), Default::default(), PageStart::Offset(0), 200).await.unwrap() }
    };
    let (one_by_one, together) = (events(&one_by_one).await, events(&together).await);
    assert_eq!((one_by_one.len(), &one_by_one), (125, &together));
}

async fn a_large_batch_with_a_fault_leaves_nothing(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let refuse = match kind {
        Kind::Postgres => "ALTER TABLE events ADD CONSTRAINT refuse CHECK (url_id <> 66)",
        Kind::Sqlite => {
            "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.url_id = 66 \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        }
    };
    fixture.execute(refuse).await;
    let mut clicks = clicks(300);
    clicks.push(click(66, 1, 0));
    let refused = fixture.store.store_clicks("one", &clicks.clone().into(), at(0)).await;
    assert!(refused.is_err_and(|error| error.is_about_values()));
    assert_eq!(stored(&fixture).await, 0);
    // The connection goes on, and so does the batch's id, whose receipt is not there either.
    clicks.pop();
    fixture.store.store_clicks("one", &clicks.into(), at(0)).await.unwrap();
    assert_eq!(stored(&fixture).await, 300);
    fixture.assert_clicks_add_up().await;
}
