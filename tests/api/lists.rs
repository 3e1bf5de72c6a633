//! Lists: complete, in pages, filtered.

use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    complete_lists_hold_every_row_once,
    pages_hold_what_was_asked_for,
    cursors_lead_through_the_whole_list,
    totals_come_only_where_they_are_asked_for,
    links_are_filtered,
    events_are_filtered,
    filters_may_stand_in_a_body_and_the_query_wins,
    links_of_a_page_keep_its_filters,
);

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// The target of the `Link` header of this relation.
fn link(answer: &Answer, relation: &str) -> Option<String> {
    let suffix = format!(">; rel=\"{relation}\"");
    let found = answer.header("link")?.split(", ").find_map(|part| part.strip_suffix(suffix.as_str()))?;
    Some(found.trim_start_matches('<').to_owned())
}

async fn complete_lists_hold_every_row_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    let mut held = 0;
    for rows in [0, 1, 2, 999, 1_000, 1_001, 2_000, 2_001] {
        let start = i64::from(held) + 1;
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT {start} UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO users (username, email, created_at) \
             SELECT 'u' || i, i || '@x.example', '2026-01-01T00:00:00+00:00' FROM n WHERE i <= {rows}"
        );
        app.database.execute(&sql).await;
        held = rows;
        let answer = app.get("/users").await;
        let list = ids(&answer.expect(200));
        assert_eq!(list.len(), rows as usize);
        assert!(list.is_sorted_by(|one, next| one < next), "in id order, each once");
        assert_eq!((answer.header("link"), answer.header("x-total-count")), (None, None));
    }
    app.database.add_urls(2_001).await;
    app.database.add_events(2_001).await;
    for path in ["/urls", "/events", "/urls?user_id=1", "/events?url_id=1&event_type=click"] {
        let list = ids(&app.get(path).await.expect(200));
        assert_eq!((list.len(), list.is_sorted_by(|one, next| one < next)), (2_001, true), "{path}");
    }
}

async fn pages_hold_what_was_asked_for(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.add_users(45).await;
    for (query, expected) in [
        ("page=1", 1..21),
        ("page=3", 41..46),
        ("page=4", 1..1),
        ("per_page=7", 1..8),
        ("page=2&per_page=7", 8..15),
        ("page=1&per_page=45", 1..46),
        ("cursor=after-40", 41..46),
        ("cursor=after-40&page=1&per_page=2", 41..43),
        ("cursor=after-9223372036854775807", 1..1),
    ] {
        let page = ids(&app.get(&format!("/users?{query}")).await.expect(200));
        assert_eq!(page, expected.collect::<Vec<_>>(), "{query}");
    }
    let last = app.get("/users?page=5&per_page=9").await;
    assert_eq!((link(&last, "next"), link(&last, "first").is_some()), (None, true));
}

async fn cursors_lead_through_the_whole_list(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.add_users(101).await;
    app.database.add_urls(101).await;
    app.database.add_events(101).await;
    for start in ["/users?per_page=10", "/urls?per_page=50&user_id=1", "/events?per_page=101&count=true"] {
        let (mut path, mut seen) = (Some(start.to_owned()), Vec::new());
        while let Some(next) = path {
            let answer = app.get(&next).await;
            seen.extend(ids(&answer.expect(200)));
            assert_eq!(answer.header("x-total-count").is_some(), start.contains("count"));
            path = link(&answer, "next");
        }
        assert_eq!(seen, (1..=101).collect::<Vec<_>>(), "{start}");
    }
    // Rows that go or come between two pages move nothing.
    let first = app.get("/users?per_page=10").await;
    app.database.execute("DELETE FROM users WHERE id IN (2, 5)").await;
    assert_eq!(ids(&app.get(&link(&first, "next").unwrap()).await.expect(200)), (11..=20).collect::<Vec<_>>());
}

async fn totals_come_only_where_they_are_asked_for(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.add_users(3).await;
    app.database.add_urls(30).await;
    for (path, total) in [
        ("/users?count=true", Some("3")),
        ("/users?count=true&page=9", Some("3")),
        ("/users?count=false&page=1", None),
        ("/users?page=1", None),
        ("/urls?count=true&per_page=1", Some("30")),
        ("/urls?count=true&user_id=2", Some("0")),
        ("/events?count=1&page=1", Some("0")),
    ] {
        let answer = app.get(path).await;
        answer.expect(200);
        assert_eq!(answer.header("x-total-count"), total, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_make_no_sense_are_refused_or_clamped() {
    let app = TestApp::start(Kind::Sqlite).await;
    app.database.add_users(1_050).await;
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=abc", "page"),
        ("page=1.5", "page"),
        ("page=", "page"),
        ("page=99999999999999999999999", "page"),
        ("per_page=0", "per_page"),
        ("per_page=abc", "per_page"),
        ("per_page=-5", "per_page"),
        ("per_page=99999999999999999999999", "per_page"),
        ("page=%00", "page"),
        ("cursor=abc", "cursor"),
        ("cursor=after-", "cursor"),
        ("cursor=after--1", "cursor"),
        ("cursor=after-99999999999999999999999", "cursor"),
        ("count=maybe", "count"),
    ] {
        for path in ["/users", "/urls", "/events"] {
            assert_eq!(app.get(&format!("{path}?{query}")).await.refused_fields(), [field], "{path}?{query}");
        }
    }
    let most = app.get("/users?per_page=5000").await;
    assert_eq!(ids(&most.expect(200)).len(), 1_000);
    assert_eq!(ids(&app.get("/users?per_page=18446744073709551615").await.expect(200)).len(), 1_000);
    assert_eq!(app.get("/users?page=18446744073709551615&per_page=1000").await.expect(200), json!([]));
    // What has no name is passed over.
    assert_eq!(ids(&app.get("/users?page=1&per_page=1&&=").await.expect(200)), [1]);
}

async fn links_are_filtered(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let mut all = Vec::new();
    for owner in [ann, ann, bob] {
        all.push(app.url(owner, "https://example.com").await["id"].clone());
    }
    app.put(&format!("/urls/{}", all[0]), &json!({"is_active": false})).await.expect(200);
    for (query, expected) in [
        (format!("user_id={ann}"), vec![0, 1]),
        (format!("user_id={bob}"), vec![2]),
        ("user_id=4711".to_owned(), vec![]),
        ("is_active=true".to_owned(), vec![1, 2]),
        ("is_active=false".to_owned(), vec![0]),
        ("is_active=False".to_owned(), vec![0]),
        ("is_active=1".to_owned(), vec![1, 2]),
        (format!("user_id={ann}&is_active=true"), vec![1]),
        (format!("user_id={ann}&is_active=true&page=1&per_page=5"), vec![1]),
        ("user_id=&is_active=".to_owned(), vec![0, 1, 2]),
    ] {
        let found = ids(&app.get(&format!("/urls?{query}")).await.expect(200));
        let expected: Vec<_> = expected.into_iter().map(|index: usize| all[index].as_i64().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    for (query, field) in [
        ("user_id=abc", "user_id"),
        ("user_id=1.0", "user_id"),
        ("user_id=99999999999999999999", "user_id"),
        ("is_active=yes", "is_active"),
        ("is_active=2", "is_active"),
    ] {
        assert_eq!(app.get(&format!("/urls?{query}")).await.refused_fields(), [field], "{query}");
    }
}

async fn events_are_filtered(kind: Kind) {
    let app = TestApp::start(kind).await;
    let ann = app.user("ann").await;
    let (one, two) = (app.url(ann, "https://example.com/1").await, app.url(ann, "https://example.com/2").await);
    app.post("/events", &json!({"event_type": "shared", "url_id": two["id"]})).await.expect(201);
    app.post("/events", &json!({"event_type": "a&b=c", "url_id": two["id"], "user_id": ann})).await.expect(201);
    for (query, expected) in [
        (format!("url_id={}", one["id"]), 1),
        (format!("url_id={}", two["id"]), 3),
        (format!("url_id={}&event_type=shared", two["id"]), 1),
        (format!("user_id={ann}"), 3),
        ("event_type=created".to_owned(), 2),
        ("event_type=a%26b%3Dc".to_owned(), 1),
        ("event_type=unheard-of".to_owned(), 0),
        ("event_type=' OR 1=1 --".to_owned(), 0),
    ] {
        assert_eq!(ids(&app.get(&format!("/events?{query}")).await.expect(200)).len(), expected, "{query}");
    }
    let long = format!("event_type={}", "x".repeat(65));
    for (query, field) in
        [("url_id=x", "url_id"), ("user_id=-1", "user_id"), ("event_type=%00", "event_type"), (&long, "event_type")]
    {
        assert_eq!(app.get(&format!("/events?{query}")).await.refused_fields(), [field], "{query}");
    }
}

async fn filters_may_stand_in_a_body_and_the_query_wins(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let of_ann = app.url(ann, "https://example.com").await["id"].as_i64().unwrap();
    let of_bob = app.url(bob, "https://example.com").await["id"].as_i64().unwrap();
    app.put(&format!("/urls/{of_bob}"), &json!({"is_active": false})).await.expect(200);
    for (path, body, expected) in [
        ("/urls", json!({"user_id": ann}), vec![of_ann]),
        ("/urls", json!({"user_id": bob.to_string()}), vec![of_bob]),
        ("/urls", json!({"is_active": false}), vec![of_bob]),
        ("/urls", json!({"is_active": "True", "user_id": null}), vec![of_ann]),
        ("/urls", json!({}), vec![of_ann, of_bob]),
        ("/urls", json!({"page": 2, "per_page": 1}), vec![of_bob]),
        ("/urls?is_active=true", json!({"is_active": false}), vec![of_ann]),
        ("/urls?is_active=true", json!({"user_id": bob}), vec![]),
    ] {
        assert_eq!(ids(&app.get_with_body(path, &body).await.expect(200)), expected, "{path} {body}");
    }
    let events = app.get_with_body("/events", &json!({"url_id": of_ann, "event_type": "created"})).await;
    assert_eq!(events.expect(200).as_array().unwrap().len(), 1);
    for (body, field) in [
        (json!({"user_id": "me"}), "user_id"),
        (json!({"user_id": [1]}), "user_id"),
        (json!({"user_id": 1.5}), "user_id"),
        (json!({"is_active": {}}), "is_active"),
        (json!({"page": 0}), "page"),
        (json!({"userid": ann}), "userid"),
    ] {
        assert_eq!(app.get_with_body("/urls", &body).await.refused_fields(), [field], "{body}");
    }
}

async fn links_of_a_page_keep_its_filters(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.add_users(2).await;
    app.database.add_urls(5).await;
    app.database.execute("UPDATE urls SET user_id = 2 WHERE id IN (2, 4)").await;
    let answer = app.get("/urls?user_id=1&per_page=2&is_active=").await;
    assert_eq!(ids(&answer.expect(200)), [1, 3]);
    let next = link(&answer, "next").unwrap();
    assert!(next.starts_with("/urls?") && next.contains("user_id=1"), "{next}");
    assert_eq!(ids(&app.get(&next).await.expect(200)), [5]);
    assert_eq!(ids(&app.get(&link(&answer, "first").unwrap()).await.expect(200)), [1, 3]);
}
