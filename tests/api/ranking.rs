//! Links with their clicks, and in the order of these.

use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp},
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    clicks_are_told_where_they_are_asked_for,
    lists_by_clicks_lead_through_all_links,
    lists_by_clicks_are_filtered_and_counted,
    cursors_are_good_for_their_order,
);

/// The service with links 1 to `links`, of which each has `clicks(id)` clicks.
async fn with_clicks(kind: Kind, links: u32, clicks: &str) -> TestApp {
    let app = TestApp::start(kind).await;
    app.database.add_users(2).await;
    app.database.add_urls(links).await;
    app.database.execute(&format!("UPDATE click_totals SET clicks = {}", clicks.replace("id", "url_id"))).await;
    app
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

fn clicks(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|row| row["clicks"].as_i64().unwrap()).collect()
}

fn next(answer: &Answer) -> Option<String> {
    let found = answer.header("link")?.split(", ").find_map(|part| part.strip_suffix(">; rel=\"next\""))?;
    Some(found.trim_start_matches('<').to_owned())
}

async fn clicks_are_told_where_they_are_asked_for(kind: Kind) {
    let app = with_clicks(kind, 3, "id * 10").await;
    for path in ["/urls", "/urls?per_page=3", "/urls?include="] {
        let list = app.get(path).await.expect(200);
        assert!(list.as_array().unwrap().iter().all(|url| url.get("clicks").is_none()), "{list}");
    }
    for path in ["/urls?include=clicks", "/urls?include=clicks&per_page=3"] {
        assert_eq!(clicks(&app.get(path).await.expect(200)), [10, 20, 30], "{path}");
    }
    assert_eq!(clicks(&app.get("/urls?include=clicks&cursor=after-1").await.expect(200)), [20, 30]);
    assert_eq!(app.get("/urls/2?include=clicks").await.expect(200)["clicks"], 20);
    assert!(app.get("/urls/2").await.expect(200).get("clicks").is_none());
    let new = app.url(1, "https://example.com").await;
    assert_eq!(app.get(&format!("/urls/{}?include=clicks", new["id"])).await.expect(200)["clicks"], 0);
    for path in ["/urls?include=owner", "/urls/1?include=clicks,owner"] {
        assert_eq!(app.get(path).await.refused_fields(), ["include"], "{path}");
    }
    app.get("/urls/77?include=clicks").await.problem(404, "url_not_found");
}

async fn lists_by_clicks_lead_through_all_links(kind: Kind) {
    // Many links have the same number, more than a page holds.
    let app = with_clicks(kind, 101, "id % 4").await;
    let mut expected: Vec<(i64, i64)> = (1..=101).map(|id| (id % 4, id)).collect();
    expected.sort_unstable();
    for (sort, reversed) in [("clicks", false), ("-clicks", true)] {
        if reversed {
            expected.reverse();
        }
        let expected: Vec<i64> = expected.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids(&app.get(&format!("/urls?sort={sort}")).await.expect(200)), expected, "{sort}");
        let (mut path, mut seen) = (Some(format!("/urls?sort={sort}&per_page=7")), Vec::new());
        while let Some(page) = path {
            let answer = app.get(&page).await;
            seen.extend(ids(&answer.expect(200)));
            path = next(&answer);
        }
        assert_eq!(seen, expected, "{sort}");
        let third = app.get(&format!("/urls?sort={sort}&per_page=10&page=3")).await.expect(200);
        assert_eq!(ids(&third), expected[20..30], "{sort}");
    }
}

async fn lists_by_clicks_are_filtered_and_counted(kind: Kind) {
    let app = with_clicks(kind, 9, "id").await;
    app.database
        .execute("UPDATE urls SET user_id = 2 WHERE id > 5; UPDATE urls SET is_active = FALSE WHERE id = 7")
        .await;
    for (filter, expected) in [
        ("user_id=2", vec![9, 8, 7, 6]),
        ("user_id=2&is_active=true", vec![9, 8, 6]),
        ("is_active=false", vec![7]),
        ("user_id=4711", vec![]),
    ] {
        let answer = app.get(&format!("/urls?sort=-clicks&count=true&per_page=50&{filter}")).await;
        assert_eq!(ids(&answer.expect(200)), expected, "{filter}");
        assert_eq!(answer.header("x-total-count"), Some(expected.len().to_string().as_str()), "{filter}");
    }
    let first = app.get("/urls?sort=-clicks&user_id=2&per_page=2").await;
    assert_eq!(clicks(&first.expect(200)), [9, 8]);
    assert_eq!(ids(&app.get(&next(&first).unwrap()).await.expect(200)), [7, 6]);
    // Clicks of a link that is gone are in no list.
    app.delete("/urls/9").await;
    assert_eq!(ids(&app.get("/urls?sort=-clicks&per_page=2").await.expect(200)), [8, 7]);
}

async fn cursors_are_good_for_their_order(kind: Kind) {
    let app = with_clicks(kind, 3, "id").await;
    for path in [
        "/urls?cursor=after-clicks-1-2",
        "/users?cursor=after-clicks-1-2",
        "/events?cursor=after-clicks-1-2",
        "/urls?sort=clicks&cursor=after-1",
        "/urls?sort=clicks&cursor=after-clicks-1-2-3",
        "/urls?sort=clicks&cursor=after-created_at-1-2",
        "/urls?sort=-created_at&cursor=after-clicks-1-2",
        "/urls?sort=-id&cursor=after-created_at-1-2",
        "/urls?sort=-clicks&cursor=after-clicks--1-2",
        "/urls?include=clicks&cursor=after-clicks-1-2",
    ] {
        assert_eq!(app.get(path).await.refused_fields(), ["cursor"], "{path}");
    }
    for sort in ["title", "Clicks", "--clicks", "clicks,id"] {
        assert_eq!(app.get(&format!("/urls?sort={sort}")).await.refused_fields(), ["sort"], "{sort}");
    }
    let end = app.get("/urls?sort=clicks&cursor=after-clicks-9223372036854775807-9223372036854775807").await;
    assert_eq!(end.expect(200), json!([]));
}
