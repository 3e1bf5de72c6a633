//! Users, links and events as they change.

use buoy::{
    db::StoreError,
    domain::{
        Details, DisabledReason, EmailAddress, EventType, NewEvent, ShortCode, TargetUrl, Title, UrlChanges, UrlId,
        UserChanges, UserId, Username, page::PageStart,
    },
    store::{EventFilter, UrlFilter},
};

use crate::{
    common::{database::Kind, on_both_databases, sums::number},
    store::{Fixture, at, new_url, new_user},
};

on_both_databases!(
    taken_fields_are_named,
    users_change_field_by_field,
    links_change_and_leave_events,
    a_disabled_link_stays_disabled,
    a_title_is_given_where_there_is_none,
    codes_once_used_stay_used,
    deleting_a_user_takes_the_links_along,
    a_user_with_any_number_of_links_can_be_deleted,
    events_name_what_exists,
);

fn details(reason: &str) -> Details {
    Details::of(&serde_json::json!({ "reason": reason }))
}

async fn kinds_of_events(fixture: &Fixture, url_id: UrlId) -> Vec<String> {
    let filter = EventFilter { url_id: Some(url_id), ..EventFilter::default() };
    let events = fixture.store.events(&filter, Default::default(), PageStart::Offset(0), 100).await.unwrap();
    events.iter().map(|event| event.event_type.as_str().to_owned()).collect()
}

async fn taken_fields_are_named(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let ann = fixture.user("ann").await;
    let mut other_address = new_user("ann");
    other_address.email = EmailAddress::parse("other@example.com").unwrap();
    let mut other_name = new_user("ann");
    other_name.username = Username::parse("other").unwrap();
    fixture
        .in_tx(async |tx| {
            for (new, field) in [(&other_address, "username"), (&other_name, "email"), (&new_user("ann"), "username")] {
                let error = tx.create_user(new, at(0)).await.unwrap_err();
                assert!(matches!(error, StoreError::Taken(taken) if taken == field), "{error:?}");
            }
        })
        .await;
    fixture.url(ann.id, "code").await;
    let error = fixture.create_url(&new_url(ann.id, Some("code")), at(0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Taken("short_code")), "{error:?}");
}

async fn users_change_field_by_field(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let change = async |id: UserId, username: Option<&str>, email: Option<&str>| {
        let changes = UserChanges {
            username: username.map(|name| Username::parse(name).unwrap()),
            email: email.map(|email| EmailAddress::parse(email).unwrap()),
        };
        let mut tx = fixture.store.begin().await.unwrap();
        let changed = tx.update_user(id, &changes).await;
        if changed.is_ok() {
            tx.commit().await.unwrap();
        }
        changed
    };
    assert_eq!(change(ann.id, None, None).await.unwrap(), Some(ann.clone()));
    assert_eq!(change(ann.id, Some("ann"), Some("ann@example.com")).await.unwrap(), Some(ann.clone()));
    let renamed = change(ann.id, Some("anna"), None).await.unwrap().unwrap();
    assert_eq!((renamed.username.as_str(), &renamed.email, renamed.created_at), ("anna", &ann.email, ann.created_at));
    assert!(matches!(change(bob.id, Some("anna"), None).await, Err(StoreError::Taken("username"))));
    assert!(matches!(change(bob.id, None, Some("ann@example.com")).await, Err(StoreError::Taken("email"))));
    assert!(matches!(change(bob.id, Some("free"), Some("ann@example.com")).await, Err(StoreError::Taken("email"))));
    assert_eq!(change(UserId(77), Some("x"), None).await.unwrap(), None);
    assert_eq!(fixture.store.user(bob.id).await.unwrap(), Some(bob));
}

async fn links_change_and_leave_events(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let url = fixture.url(fixture.user("ann").await.id, "code").await;
    let changes = UrlChanges {
        title: Some(None),
        is_active: Some(false),
        original_url: Some(TargetUrl::parse("https://example.com/new").unwrap()),
        ..UrlChanges::default()
    };
    let change =
        async |id: UrlId, changes: &UrlChanges, seconds: i64| fixture.update_url(id, changes, at(seconds)).await;
    let changed = change(url.id, &changes, 10).await.unwrap();
    assert_eq!((&changed.title, changed.is_active, changed.updated_at), (&None, false, at(10)));
    assert_eq!(fixture.store.url(url.id).await.unwrap(), Some(changed.clone()));
    assert!(!fixture.store.link(&url.short_code).await.unwrap().unwrap().is_active);
    assert_eq!(change(url.id, &changes, 20).await, Some(changed), "the same once more changes nothing");
    assert_eq!(change(url.id, &UrlChanges::default(), 30).await.unwrap().updated_at, at(10));
    assert_eq!(kinds_of_events(&fixture, url.id).await, ["created", "updated", "updated", "updated"]);
    assert_eq!(change(UrlId(77), &changes, 40).await, None);
}

async fn a_disabled_link_stays_disabled(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let url = fixture.url(fixture.user("ann").await.id, "code").await;
    let reason = DisabledReason::parse("legal: court order").unwrap();
    let change =
        async |changes: UrlChanges, seconds: i64| fixture.update_url(url.id, &changes, at(seconds)).await.unwrap();
    let reason_of = async || fixture.store.link(&url.short_code).await.unwrap().unwrap().disabled_reason;
    assert_eq!(reason_of().await, None);
    change(UrlChanges { disabled_reason: Some(Some(reason.clone())), ..UrlChanges::default() }, 1).await;
    let changed = change(UrlChanges { is_active: Some(false), title: Some(None), ..UrlChanges::default() }, 2).await;
    assert_eq!((reason_of().await, &changed.disabled_reason), (Some(reason.clone()), &Some(reason)));
    assert_eq!(fixture.store.url(url.id).await.unwrap().as_ref(), Some(&changed));
    let listed = fixture.store.urls(UrlFilter::default(), Default::default(), PageStart::Offset(0), 10).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&changed));
    assert_eq!(fixture.store.counted_url(url.id).await.unwrap().unwrap().url, changed);
    change(UrlChanges { disabled_reason: Some(None), ..UrlChanges::default() }, 3).await;
    assert_eq!(reason_of().await, None);
    assert_eq!(kinds_of_events(&fixture, url.id).await.len(), 5);
}

async fn a_title_is_given_where_there_is_none(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let owner = fixture.user("ann").await.id;
    let titled = fixture.url(owner, "titled").await;
    let mut new = new_url(owner, Some("untitled"));
    new.title = None;
    let untitled = fixture.create_url(&new, at(0)).await.unwrap();
    let other = TargetUrl::parse("https://example.com/other").unwrap();
    let give = async |id: UrlId, target: &TargetUrl, title: &str, seconds: i64| {
        let title = Title::parse(title).unwrap();
        fixture.store.give_title(id, target, &title, at(seconds)).await.unwrap()
    };
    assert!(!give(titled.id, &titled.original_url, "new", 1).await, "it has one");
    assert!(!give(untitled.id, &other, "new", 1).await, "it leads elsewhere by now");
    assert!(!give(UrlId(77), &other, "new", 1).await, "it is gone");
    assert!(give(untitled.id, &untitled.original_url, "new", 2).await);
    assert!(!give(untitled.id, &untitled.original_url, "newer", 3).await);
    let stored = fixture.store.url(untitled.id).await.unwrap().unwrap();
    assert_eq!((stored.title.unwrap().as_str(), stored.updated_at), ("new", at(2)));
    assert_eq!(fixture.store.url(titled.id).await.unwrap(), Some(titled));
    assert_eq!(kinds_of_events(&fixture, untitled.id).await, ["created", "updated"]);
}

async fn codes_once_used_stay_used(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let ann = fixture.user("ann").await;
    let url = fixture.url(ann.id, "code").await;
    let delete = async |id: UrlId| fixture.delete_url(id, at(1), details("x")).await;
    assert_eq!(delete(url.id).await, Some(()));
    assert_eq!(delete(url.id).await, None);
    assert_eq!(kinds_of_events(&fixture, url.id).await, ["created", "deleted"]);
    let error = fixture.create_url(&new_url(ann.id, Some("code")), at(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Taken("short_code")), "{error:?}");
    assert_eq!(fixture.store.count_urls(UrlFilter::default()).await.unwrap(), 0);
    assert!(fixture.store.link(&url.short_code).await.unwrap().is_none());
    // An id once used is not used again either.
    assert!(fixture.url(ann.id, "other").await.id > url.id);
}

async fn deleting_a_user_takes_the_links_along(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let urls = [fixture.url(ann.id, "one").await, fixture.url(ann.id, "two").await];
    let kept = fixture.url(bob.id, "three").await;
    let delete = async |id: UserId| fixture.delete_user(id, at(9), &details("user_deleted")).await;
    assert_eq!(delete(ann.id).await, Some(()));
    assert_eq!(delete(ann.id).await, None);
    assert_eq!(fixture.store.user(ann.id).await.unwrap(), None);
    for url in urls {
        assert_eq!(fixture.store.url(url.id).await.unwrap(), None);
        assert_eq!(kinds_of_events(&fixture, url.id).await, ["created", "deleted"]);
        let again = new_url(bob.id, Some(url.short_code.as_str()));
        assert!(matches!(fixture.create_url(&again, at(10)).await, Err(StoreError::Taken("short_code"))));
    }
    assert_eq!(fixture.store.url(kept.id).await.unwrap(), Some(kept));
}

async fn a_user_with_any_number_of_links_can_be_deleted(kind: Kind) {
    // More than two steps.
    const LINKS: i64 = 10_001;
    let fixture = Fixture::new(kind).await;
    let (ann, bob) = (fixture.user("ann").await, fixture.user("bob").await);
    let kept = fixture.url(bob.id, "kept").await;
    let numbers = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LINKS})");
    let moment = "'2026-01-01T00:00:00+00:00'";
    fixture.execute(&format!("{numbers} INSERT INTO codes (short_code) SELECT 'c' || i FROM n")).await;
    let columns = "user_id, short_code, original_url, is_active, created_at, updated_at";
    let values = format!("{}, 'c' || i, 'https://example.com', TRUE, {moment}, {moment}", ann.id);
    fixture.execute(&format!("{numbers} INSERT INTO urls ({columns}) SELECT {values} FROM n")).await;
    assert_eq!(fixture.delete_user(ann.id, at(9), &details("user_deleted")).await, Some(()));
    assert_eq!(fixture.store.user(ann.id).await.unwrap(), None);
    for (left, count) in
        [("urls", 1), ("codes WHERE retired_at IS NOT NULL", LINKS), ("events WHERE event_type = 'deleted'", LINKS)]
    {
        assert_eq!(number(&fixture.database, &format!("SELECT count(*) FROM {left}")).await, count, "{left}");
    }
    assert_eq!(fixture.store.url(kept.id).await.unwrap(), Some(kept));
}

async fn events_name_what_exists(kind: Kind) {
    let fixture = Fixture::new(kind).await;
    let ann = fixture.user("ann").await;
    let url = fixture.url(ann.id, "code").await;
    let event = |url_id: UrlId, user_id: Option<UserId>| NewEvent {
        url_id,
        user_id,
        event_type: EventType::click(),
        timestamp: at(1),
        details: Details::none(),
    };
    fixture
        .in_tx(async |tx| {
            let error = tx.create_event(&event(UrlId(77), None)).await.unwrap_err();
            assert!(matches!(error, StoreError::Missing("url_id")), "{error:?}");
            let error = tx.create_event(&event(url.id, Some(UserId(77)))).await.unwrap_err();
            assert!(matches!(error, StoreError::Missing("user_id")), "{error:?}");
            tx.create_event(&event(url.id, None)).await.unwrap();
            tx.create_event(&event(url.id, Some(ann.id))).await.unwrap();
        })
        .await;
    assert_eq!(kinds_of_events(&fixture, url.id).await, ["created", "click", "click"]);
    assert!(fixture.store.link(&ShortCode::parse("code").unwrap()).await.unwrap().is_some());
}
