//! Batches of clicks: written once, however often they are tried.

use buoy::{
    domain::{Details, UrlId, UserId},
    store::{Counted, NewClick},
};

use crate::{
    Fixture, at,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(a_batch_is_stored_once, old_receipts_are_forgotten, a_large_batch_is_stored_whole);

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
