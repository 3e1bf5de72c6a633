//! Statements, times and texts.

use buoy::{
    db::{
        StoreError,
        migrate::{SchemaState, needed_version},
    },
    domain::{Details, EventId, EventType, NewEvent, ShortCode, UrlId, UserId},
    statements::prepare_all,
    store::{Claim, RecordedAnswer},
};

use crate::{
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    store::{Fixture, at, new_url, new_user},
};

on_both_databases!(
    every_statement_can_be_prepared,
    the_schema_is_made_once,
    rows_come_back_as_they_went_in,
    times_keep_their_microseconds,
    a_transaction_that_is_dropped_changes_nothing,
    recorded_answers_last_for_their_time,
    a_store_that_is_closed_says_so,
);

async fn every_statement_can_be_prepared(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    assert!(prepare_all(&fixture.store).await.is_ok());
    assert_eq!(fixture.store.is_embedded(), kind == Kind::Sqlite);
}

async fn the_schema_is_made_once(kind: Kind) {
    let database = Database::empty(kind).await;
    let (one, two) = (database.store().await, database.store().await);
    match kind {
        Kind::Sqlite => assert!(database.folder().join("buoy.db").exists()),
        Kind::Postgres => assert_eq!(one.schema_state().await.unwrap(), SchemaState::Missing),
    }
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
    one.migrate().await.unwrap();
    assert_eq!(one.schema_state().await.unwrap(), SchemaState::Sufficient { version: needed_version() });
}

async fn rows_come_back_as_they_went_in(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let store = &fixture.store;
    let user = fixture.user("נור'\";--").await;
    assert_eq!(store.user(user.id).await.unwrap(), Some(user.clone()));
    let url = fixture.url(user.id, "code").await;
    let new = new_url(user.id, Some("code"));
    assert_eq!((&url.original_url, &url.title, url.is_active), (&new.original_url, &new.title, true));
    assert_eq!(store.url(url.id).await.unwrap(), Some(url.clone()));
    let link = store.link(&url.short_code).await.unwrap().unwrap();
    assert_eq!((link.id, &link.original_url, link.is_active), (url.id, &url.original_url, true));
    let details = Details::parse(r#"{ "n": 123456789012345678901234567890.50, "s": "\u0000" }"#).unwrap();
    let event_type = EventType::parse("שיתוף").unwrap();
    let new = NewEvent { url_id: url.id, user_id: Some(user.id), event_type, timestamp: at(5), details };
    let event = fixture.in_tx(async |tx| tx.create_event(&new).await.unwrap()).await;
    assert_eq!(store.event(event.id, None).await.unwrap(), Some(event.clone()));
    assert_eq!((event.details, event.event_type, event.timestamp), (new.details, new.event_type, new.timestamp));
    assert_eq!(store.user(UserId(77)).await.unwrap(), None);
    assert_eq!(store.url(UrlId(77)).await.unwrap(), None);
    assert_eq!(store.event(EventId(77), None).await.unwrap(), None);
    assert!(store.link(&ShortCode::parse("Code").unwrap()).await.unwrap().is_none(), "codes are told apart by case");
}

async fn times_keep_their_microseconds(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for (index, micros) in [0, 1, 999_999, 100_000, 123_456].into_iter().enumerate() {
        for seconds in [0, 1_780_000_000, -1, 253_402_300_799] {
            let at = chrono::DateTime::from_timestamp(seconds, micros * 1_000).unwrap();
            let user = new_user(&format!("user{index}_{seconds}"));
            let user = fixture.in_tx(async |tx| tx.create_user(&user, at).await.unwrap()).await;
            assert_eq!(user.created_at, at);
            assert_eq!(fixture.store.user(user.id).await.unwrap().unwrap().created_at, at);
        }
    }
}

async fn a_transaction_that_is_dropped_changes_nothing(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut tx = fixture.store.begin().await.unwrap();
    let user = tx.create_user(&new_user("ann"), at(0)).await.unwrap();
    drop(tx);
    assert_eq!(fixture.store.user(user.id).await.unwrap(), None);
    let mut tx = fixture.store.begin().await.unwrap();
    tx.create_user(&new_user("ann"), at(0)).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(fixture.store.count_users(Default::default()).await.unwrap(), 0);
    fixture.user("ann").await;
}

async fn recorded_answers_last_for_their_time(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let answer = |body: &str| RecordedAnswer { fingerprint: "f".to_owned(), status: 201, body: body.to_owned() };
    fixture
        .in_tx(async |tx| {
            assert_eq!(tx.claim_key("key", at(-10)).await.unwrap(), Claim::Free);
            assert!(tx.record_answer("key", &answer("{\"a\": 1}"), at(0), at(-10)).await.unwrap());
            assert!(!tx.record_answer("key", &answer("2"), at(1), at(-9)).await.unwrap(), "the first one stays");
        })
        .await;
    fixture.store.record_answer("key", &answer("3"), at(2), at(-8)).await.unwrap();
    fixture
        .in_tx(async |tx| {
            assert_eq!(tx.claim_key("key", at(-10)).await.unwrap(), Claim::Answered(answer("{\"a\": 1}")));
            assert_eq!(tx.claim_key("KEY", at(-10)).await.unwrap(), Claim::Free);
            assert_eq!(tx.claim_key("key", at(0)).await.unwrap(), Claim::Free, "expired");
            assert!(tx.record_answer("key", &answer("2"), at(20), at(0)).await.unwrap());
            assert_eq!(tx.claim_key("key", at(0)).await.unwrap(), Claim::Answered(answer("2")));
        })
        .await;
    assert_eq!(fixture.store.prune_answers(at(19)).await.unwrap(), 0);
    assert_eq!(fixture.store.prune_answers(at(20)).await.unwrap(), 1);
}

async fn a_store_that_is_closed_says_so(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    fixture.store.close().await;
    let error = fixture.store.count_users(Default::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}
