//! Many concurrent transactions: one wins, none hangs, none is a fault.

use std::time::Duration;

use buoy::{
    db::{Store, StoreError},
    domain::{Caller, Details, UrlChanges, UrlId, UserId, page::PageStart},
    store::{Claim, UrlFilter},
};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    common::{database::Kind, on_both_databases},
    store::{Fixture, at, new_url, new_user},
};

on_both_databases!(one_of_many_creates, deleting_and_creating_do_not_block_each_other, keys_are_locked_without_waiting);

/// Longer than anything here may take.
const LIMIT: Duration = Duration::from_secs(20);

async fn one_of_many_creates(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let ann = fixture.user("ann").await;
    let create = async || {
        let mut tx = fixture.store.begin().await?;
        tx.create_user(&new_user("bob"), at(0)).await?;
        tx.commit().await
    };
    let created = timeout(LIMIT, join_all((0..20).map(|_| create()))).await.expect("nobody hangs");
    assert_eq!(created.iter().filter(|done| done.is_ok()).count(), 1, "{created:?}");
    let lost = created.iter().filter_map(|done| done.as_ref().err());
    assert!(lost.into_iter().all(|error| matches!(error, StoreError::Taken("username"))), "{created:?}");
    let choose = async || fixture.create_url(&new_url(ann.id, Some("code")), at(0)).await;
    let chosen = timeout(LIMIT, join_all((0..20).map(|_| choose()))).await.expect("nobody hangs");
    assert_eq!(chosen.iter().filter(|done| done.is_ok()).count(), 1, "{chosen:?}");
    let lost = chosen.iter().filter_map(|done| done.as_ref().err());
    assert!(lost.into_iter().all(|error| matches!(error, StoreError::Taken("short_code"))), "{chosen:?}");
}

/// What a transaction may meet here: its owner is gone. Anything else, a deadlock above all, is a fault.
fn assert_done_or_missing(done: Result<(), StoreError>) {
    assert!(matches!(done, Ok(()) | Err(StoreError::Missing("user_id"))), "{done:?}");
}

async fn delete_urls(store: &Store, ids: impl Iterator<Item = UrlId>) -> Result<(), StoreError> {
    for id in ids {
        store.delete_url(Caller::Open, id, at(1), Details::none()).await?;
    }
    Ok(())
}

async fn switch_off(store: &Store, ids: &[UrlId]) -> Result<(), StoreError> {
    for id in ids {
        let off = UrlChanges { is_active: Some(false), ..UrlChanges::default() };
        store.update_url(Caller::Open, *id, &off, at(2)).await?;
    }
    Ok(())
}

async fn create_urls(store: &Store, owner: UserId) -> Result<(), StoreError> {
    for _ in 0..6 {
        let _created = store.create_url(Caller::Open, None, &new_url(owner, None), at(3)).await?;
    }
    Ok(())
}

async fn delete_user(store: &Store, id: UserId) -> Result<(), StoreError> {
    store.delete_user(Caller::Open, id, at(4), &Details::none()).await.map(drop)
}

async fn deleting_and_creating_do_not_block_each_other(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let store = &fixture.store;
    for round in 0..10 {
        let ann = fixture.user(&format!("ann{round}")).await;
        let mut urls = Vec::new();
        for index in 0..6 {
            urls.push(fixture.url(ann.id, &format!("c{round}-{index}")).await.id);
        }
        let all = async {
            tokio::join!(
                delete_urls(store, urls.iter().copied()),
                // Against the order in which the user's deletion takes them.
                delete_urls(store, urls.iter().rev().copied()),
                switch_off(store, &urls),
                create_urls(store, ann.id),
                delete_user(store, ann.id),
                delete_user(store, ann.id),
            )
        };
        let done = timeout(LIMIT, all).await.expect("nobody hangs");
        [done.0, done.1, done.2, done.3, done.4, done.5].into_iter().for_each(assert_done_or_missing);
        let orphans = UrlFilter { user_id: Some(ann.id), ..UrlFilter::default() };
        assert_eq!(store.urls(orphans, Default::default(), PageStart::Offset(0), 10).await.unwrap(), []);
        assert_eq!(store.user(ann.id).await.unwrap(), None);
    }
}

async fn keys_are_locked_without_waiting(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let mut first = fixture.store.begin().await.unwrap();
    assert_eq!(first.claim_key("key", at(0)).await.unwrap(), Claim::Free);
    if kind == Kind::Postgres {
        let mut second = fixture.store.begin().await.unwrap();
        let claim = timeout(LIMIT, second.claim_key("key", at(0))).await.expect("it does not wait").unwrap();
        assert_eq!(claim, Claim::Busy);
        assert_eq!(second.claim_key("other", at(0)).await.unwrap(), Claim::Free);
    }
    first.commit().await.unwrap();
    let mut third = fixture.store.begin().await.unwrap();
    assert_eq!(third.claim_key("key", at(0)).await.unwrap(), Claim::Free);
}
