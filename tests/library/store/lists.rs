//! Lists and counts.

use buoy::{
    db::{Store, StoreError},
    domain::{Cursor, Details, EventType, NewEvent, Url, UrlChanges, UrlId, User, UserId, page::PageStart},
    store::{EventFilter, UrlFilter},
};

use crate::{
    common::{database::Kind, on_both_databases},
    store::{Fixture, at},
};

on_both_databases!(
    pages_are_bounded_and_in_order,
    links_are_filtered,
    events_are_filtered,
    an_owner_sees_what_is_theirs,
    counts_stop_at_a_hundred_thousand,
    a_list_that_takes_too_long_is_interrupted,
);

async fn pages_are_bounded_and_in_order(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    for index in 0..7 {
        fixture.user(&format!("user{index}")).await;
    }
    assert_eq!(fixture.store.count_users(Default::default()).await.unwrap(), 7);
    for (start, limit, expected) in [
        (PageStart::Offset(0), 3, vec![1, 2, 3]),
        (PageStart::Offset(5), 3, vec![6, 7]),
        (PageStart::Offset(7), 3, vec![]),
        (PageStart::Offset(u64::MAX), 3, vec![]),
        (PageStart::After(Cursor::after(4)), 2, vec![5, 6]),
        (PageStart::After(Cursor::after(i64::MAX)), 2, vec![]),
        (PageStart::Offset(0), 1_001, vec![1, 2, 3, 4, 5, 6, 7]),
    ] {
        let ids: Vec<i64> = fixture
            .store
            .users(Default::default(), Default::default(), start, limit)
            .await
            .unwrap()
            .iter()
            .map(|user| user.id.0)
            .collect();
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
    fixture.update_url(UrlId(3), &off, at(1)).await.unwrap();
    for (user_id, is_active, expected) in [
        (None, None, vec![1, 2, 3]),
        (Some(ann.id), None, vec![1, 3]),
        (None, Some(true), vec![1, 2]),
        (Some(ann.id), Some(false), vec![3]),
        (Some(bob.id), Some(false), vec![]),
        (Some(UserId(77)), None, vec![]),
    ] {
        let filter = UrlFilter { user_id, is_active, ..UrlFilter::default() };
        let urls = fixture.store.urls(filter.clone(), Default::default(), PageStart::Offset(0), 10).await.unwrap();
        assert_eq!(urls.iter().map(|url| url.id.0).collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(fixture.store.count_urls(filter.clone()).await.unwrap(), i64::try_from(expected.len()).unwrap());
        let after = fixture
            .store
            .urls(filter.clone(), Default::default(), PageStart::After(Cursor::after(1)), 1)
            .await
            .unwrap();
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
        let filter = EventFilter { url_id, user_id, event_type: event_type.cloned(), ..EventFilter::default() };
        let events = fixture.store.events(&filter, Default::default(), PageStart::Offset(0), 10).await.unwrap();
        assert_eq!(events.len(), expected, "{filter:?}");
        assert_eq!(fixture.store.count_events(&filter).await.unwrap(), i64::try_from(expected).unwrap());
    }
}

/// Two users with links, one of them deleted, and events by and about each: the users, a link of each, and the
/// deleted one.
async fn events_of_two(fixture: &Fixture) -> (User, User, Url, Url, Url) {
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let (one, two) = (fixture.url(ann.id, "a").await, fixture.url(bob.id, "b").await);
    let gone = fixture.url(ann.id, "c").await;
    let event = |url_id: UrlId, user_id: Option<UserId>, event_type: EventType| NewEvent {
        url_id,
        user_id,
        event_type,
        timestamp: at(2),
        details: Details::none(),
    };
    for (url, user, event_type) in [
        (one.id, None, EventType::click()),
        (two.id, None, EventType::click()),
        (two.id, Some(ann.id), EventType::parse("noted").unwrap()),
        (gone.id, None, EventType::click()),
        (one.id, Some(bob.id), EventType::parse("noted").unwrap()),
        (one.id, Some(ann.id), EventType::click()),
    ] {
        let posted = event(url, user, event_type);
        fixture.in_tx(async |tx| tx.create_event(&posted).await.unwrap()).await;
    }
    fixture.delete_url(gone.id, at(3), Details::none()).await.unwrap();
    (ann, bob, one, two, gone)
}

async fn an_owner_sees_what_is_theirs(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (ann, bob, _, two, gone) = events_of_two(&fixture).await;
    // Events 1 to 3 are the links' creations, 10 is the deletion.
    let (click, noted) = (EventType::click(), EventType::parse("noted").unwrap());
    for (owner, url_id, user_id, event_type, expected) in [
        (ann.id, None, None, None, vec![1, 3, 4, 6, 8, 9, 10]),
        (bob.id, None, None, None, vec![2, 5, 6, 8]),
        (ann.id, None, None, Some(&click), vec![4, 9]),
        (bob.id, None, None, Some(&noted), vec![6, 8]),
        (ann.id, Some(two.id), None, None, vec![6]),
        (ann.id, Some(gone.id), None, None, vec![3, 10]),
        (ann.id, None, Some(bob.id), None, vec![8]),
        (UserId(77), None, None, None, vec![]),
    ] {
        let filter = EventFilter {
            owner: Some(owner),
            url_id,
            user_id,
            event_type: event_type.cloned(),
            ..EventFilter::default()
        };
        let seen = walked(&fixture, &filter).await;
        assert_eq!(seen, expected, "{filter:?}");
        let from_second = fixture.store.events(&filter, Default::default(), PageStart::Offset(1), 10).await.unwrap();
        assert!(from_second.iter().map(|event| event.id.0).eq(expected.iter().skip(1).copied()), "{filter:?}");
        assert_eq!(fixture.store.count_events(&filter).await.unwrap(), i64::try_from(expected.len()).unwrap());
        for id in 1..=10 {
            let event = fixture.store.event(buoy::domain::EventId(id), Some(owner)).await.unwrap();
            let visible = url_id.is_none() && user_id.is_none() && event_type.is_none();
            assert!(!visible || event.is_some() == expected.contains(&id), "{id} for {filter:?}");
        }
    }
}

/// The ids of all events that pass, read two at a time.
async fn walked(fixture: &Fixture, filter: &EventFilter) -> Vec<i64> {
    let (mut seen, mut start) = (Vec::new(), PageStart::Offset(0));
    loop {
        let page = fixture.store.events(filter, Default::default(), start, 2).await.unwrap();
        let Some(last) = page.last() else { return seen };
        start = PageStart::After(Cursor::after(last.id.0));
        seen.extend(page.iter().map(|event| event.id.0));
    }
}

async fn counts_stop_at_a_hundred_thousand(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let link = fixture.url(bob.id, "b").await.id;
    let events = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100050) \
         INSERT INTO events (url_id, event_type, timestamp, details) \
         SELECT {link}, 'click', '2026-01-01T00:00:00+00:00', '{{}}' FROM n"
    );
    fixture.execute(&events).await;
    for (owner, url_id, expected) in [
        (None, None, 100_001),
        (None, Some(link), 100_001),
        (Some(bob.id), None, 100_001),
        (Some(bob.id), Some(link), 100_001),
        (Some(ann.id), Some(link), 0),
    ] {
        let filter = EventFilter { owner, url_id, ..EventFilter::default() };
        assert_eq!(fixture.store.count_events(&filter).await.unwrap(), expected, "{filter:?}");
    }
}

async fn a_list_that_takes_too_long_is_interrupted(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let lists = fixture.store.for_lists();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n";
    for _ in 0..2 {
        let ended = match &lists {
            Store::Postgres { pool, .. } => sqlx::query(endless).execute(&pool.current()).await.map(drop),
            Store::Sqlite { pool, .. } => sqlx::query(endless).execute(pool).await.map(drop),
        };
        assert!(matches!(ended.map_err(StoreError::from), Err(StoreError::TooSlow)));
    }
    assert_eq!(lists.count_users(Default::default()).await.unwrap(), 0, "its connections can be used again");
}
