//! Many concurrent clients.

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::{
    app::TestApp,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    one_of_many_gets_the_username,
    one_of_many_gets_the_code,
    a_code_is_not_given_away_while_its_link_is_deleted,
    a_link_whose_owner_is_deleted_meanwhile,
    one_link_changed_and_deleted_by_many,
);

/// Concurrent clients.
const MANY: usize = 20;

async fn one_of_many_gets_the_username(kind: Kind) {
    let app = TestApp::start(kind).await;
    for round in 0..3 {
        let answers = join_all((0..MANY).map(async |index| {
            let body = json!({"username": format!("ann{round}"), "email": format!("{round}-{index}@example.com")});
            app.post("/users", &body).await
        }))
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.problem(409, "username_taken");
        }
    }
    assert_eq!(app.get("/users").await.expect(200).as_array().unwrap().len(), 3);
}

async fn one_of_many_gets_the_code(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    for round in 0..3 {
        let body =
            json!({"user_id": user, "original_url": "https://example.com", "short_code": format!("code{round}")});
        let answers = join_all((0..MANY).map(|_| app.post("/urls", &body))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.problem(409, "short_code_taken");
        }
    }
    assert_eq!(app.get("/events?event_type=created").await.expect(200).as_array().unwrap().len(), 3);
}

async fn a_code_is_not_given_away_while_its_link_is_deleted(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    for round in 0..10 {
        let body =
            json!({"user_id": user, "original_url": "https://example.com", "short_code": format!("code{round}")});
        let url = app.post("/urls", &body).await.expect(201);
        let path = format!("/urls/{}", url["id"]);
        let (deleted, answers) = join(app.delete(&path), join_all((0..5).map(|_| app.post("/urls", &body)))).await;
        assert_eq!(deleted.status, 204);
        for answer in answers {
            answer.problem(409, "short_code_taken");
        }
    }
    assert_eq!(app.get("/urls").await.expect(200), json!([]));
}

async fn a_link_whose_owner_is_deleted_meanwhile(kind: Kind) {
    let app = TestApp::start(kind).await;
    for round in 0..10 {
        let user = app.user(&format!("ann{round}")).await;
        app.url(user, "https://example.com/before").await;
        let body = json!({"user_id": user, "original_url": "https://example.com/meanwhile"});
        let path = format!("/users/{user}");
        let delete = async {
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            app.delete(&path).await
        };
        let (deleted, answers) = join(delete, join_all((0..MANY).map(|_| app.post("/urls", &body)))).await;
        assert_eq!(deleted.status, 204, "{deleted:?}");
        for answer in &answers {
            match answer.status {
                201 => {}
                _ => drop(answer.problem(404, "user_not_found")),
            }
        }
        assert_eq!(app.get(&format!("/urls?user_id={user}")).await.expect(200), json!([]), "no orphans");
        let created = app.get(&format!("/events?user_id={user}&event_type=created")).await.expect(200);
        let deleted = app.get(&format!("/events?user_id={user}&event_type=deleted")).await.expect(200);
        assert_eq!(created.as_array().unwrap().len(), deleted.as_array().unwrap().len());
    }
}

async fn one_link_changed_and_deleted_by_many(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let path = format!("/urls/{}", app.url(user, "https://example.com").await["id"]);
    let titles: Vec<_> = (0..MANY).map(|index| json!({"title": format!("title {index}")})).collect();
    let changes = join_all(titles.iter().map(|body| app.put(&path, body))).await;
    assert!(changes.iter().all(|answer| answer.status == 200), "{changes:?}");
    let events = app.get("/events?event_type=updated").await.expect(200);
    assert_eq!(events.as_array().unwrap().len(), MANY, "no change is lost");
    // The last event tells the title that stands.
    let last = events.as_array().unwrap().last().unwrap()["details"]["new_value"].clone();
    assert_eq!(app.get(&path).await.expect(200)["title"], last);
    let (deletions, changes) =
        join(join_all((0..MANY).map(|_| app.delete(&path))), join_all(titles.iter().map(|body| app.put(&path, body))))
            .await;
    assert!(deletions.iter().all(|answer| answer.status == 204), "{deletions:?}");
    assert!(changes.iter().all(|answer| [200, 404].contains(&answer.status)), "{changes:?}");
    assert_eq!(app.get("/events?event_type=deleted").await.expect(200).as_array().unwrap().len(), 1);
}
