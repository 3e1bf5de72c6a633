//! Batches of clicks: written once, however often they are tried.

use buoy::domain::{Details, EventType, NewEvent, UrlId};

use crate::{
    Fixture, at,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(a_batch_is_stored_once, old_receipts_are_forgotten, a_large_batch_is_stored_whole);

fn clicks(count: usize) -> Vec<NewEvent> {
    let (event_type, details) = (EventType::click(), Details::none());
    vec![NewEvent { url_id: UrlId(1), user_id: None, event_type, timestamp: at(0), details }; count]
}

async fn stored(fixture: &Fixture) -> i64 {
    fixture.store.count_events(&Default::default()).await.unwrap()
}

async fn a_batch_is_stored_once(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for _ in 0..3 {
        fixture.store.store_clicks("one", &clicks(5), at(0)).await.unwrap();
    }
    fixture.store.store_clicks("two", &clicks(2), at(0)).await.unwrap();
    assert_eq!(stored(&fixture).await, 7);
}

async fn old_receipts_are_forgotten(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.store.store_clicks("old", &clicks(1), at(0)).await.unwrap();
    fixture.store.store_clicks("new", &clicks(1), at(10)).await.unwrap();
    assert_eq!(fixture.store.prune_receipts(at(5)).await.unwrap(), 1);
    fixture.store.store_clicks("new", &clicks(1), at(20)).await.unwrap();
    assert_eq!(stored(&fixture).await, 2);
}

async fn a_large_batch_is_stored_whole(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.store.store_clicks("large", &clicks(12_345), at(0)).await.unwrap();
    assert_eq!(stored(&fixture).await, 12_345);
}
