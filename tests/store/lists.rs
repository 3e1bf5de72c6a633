//! Lists and counts.

use buoy::{
    domain::{Cursor, EventType, UrlChanges, UrlId, UserId, page::PageStart},
    store::{EventFilter, UrlFilter},
};

use crate::{
    Fixture, at,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(pages_are_bounded_and_in_order, links_are_filtered, events_are_filtered);

async fn pages_are_bounded_and_in_order(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for index in 0..7 {
        fixture.user(&format!("user{index}")).await;
    }
    assert_eq!(fixture.store.count_users().await.unwrap(), 7);
    for (start, limit, expected) in [
        (PageStart::Offset(0), 3, vec![1, 2, 3]),
        (PageStart::Offset(5), 3, vec![6, 7]),
        (PageStart::Offset(7), 3, vec![]),
        (PageStart::Offset(u64::MAX), 3, vec![]),
        (PageStart::After(Cursor::after(4)), 2, vec![5, 6]),
        (PageStart::After(Cursor::after(i64::MAX)), 2, vec![]),
        (PageStart::Offset(0), 1_001, vec![1, 2, 3, 4, 5, 6, 7]),
    ] {
        let ids: Vec<i64> = fixture.store.users(start, limit).await.unwrap().iter().map(|user| user.id.0).collect();
        assert_eq!(ids, expected, "{start:?}");
    }
}

async fn links_are_filtered(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    for (owner, code) in [(&ann, "a"), (&bob, "b"), (&ann, "c")] {
        fixture.url(owner.id, code).await;
    }
    let off = UrlChanges { is_active: Some(false), ..UrlChanges::default() };
    fixture.in_tx(async |tx| tx.update_url(UrlId(3), off, at(1)).await.unwrap()).await;
    for (user_id, is_active, expected) in [
        (None, None, vec![1, 2, 3]),
        (Some(ann.id), None, vec![1, 3]),
        (None, Some(true), vec![1, 2]),
        (Some(ann.id), Some(false), vec![3]),
        (Some(bob.id), Some(false), vec![]),
        (Some(UserId(77)), None, vec![]),
    ] {
        let filter = UrlFilter { owner: None, user_id, is_active };
        let urls = fixture.store.urls(filter, PageStart::Offset(0), 10).await.unwrap();
        assert_eq!(urls.iter().map(|url| url.id.0).collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(fixture.store.count_urls(filter).await.unwrap(), i64::try_from(expected.len()).unwrap());
        let after = fixture.store.urls(filter, PageStart::After(Cursor::after(1)), 1).await.unwrap();
        let next = expected.into_iter().find(|id| *id > 1);
        assert_eq!(after.first().map(|url| url.id.0), next, "{filter:?}");
    }
}

async fn events_are_filtered(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let (one, two) = (fixture.url(ann.id, "a").await, fixture.url(bob.id, "b").await);
    let (created, click) = (EventType::created(), EventType::click());
    for (url_id, user_id, event_type, expected) in [
        (None, None, None, 2),
        (Some(one.id), None, None, 1),
        (None, Some(bob.id), None, 1),
        (None, None, Some(&created), 2),
        (None, None, Some(&click), 0),
        (Some(two.id), Some(bob.id), Some(&created), 1),
        (Some(two.id), Some(ann.id), None, 0),
    ] {
        let filter = EventFilter { owner: None, url_id, user_id, event_type: event_type.cloned() };
        let events = fixture.store.events(&filter, PageStart::Offset(0), 10).await.unwrap();
        assert_eq!(events.len(), expected, "{filter:?}");
        assert_eq!(fixture.store.count_events(&filter).await.unwrap(), i64::try_from(expected).unwrap());
    }
}
