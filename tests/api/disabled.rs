//! Links that are disabled for abuse.

use std::sync::Arc;

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    process::run,
};

on_both_databases!(
    a_disabled_link_leads_nowhere_until_it_is_enabled,
    every_list_shows_the_reason,
    its_owner_does_not_enable_it_by_other_changes,
    a_reason_travels_in_files,
);

async fn link(app: &TestApp) -> (String, String, Value) {
    let url = app.url(app.user("ann").await, "https://example.com/bad").await;
    (format!("/urls/{}", url["id"]), format!("/{}", url["short_code"].as_str().unwrap()), url["id"].clone())
}

/// Following it is refused in both ways, with this status.
async fn assert_leads_nowhere(app: &TestApp, code: &str, status: u16, name: &str) {
    for path in [code.to_owned(), format!("/urls{code}/redirect")] {
        let answer = app.get(&path).await;
        answer.problem(status, name);
        assert!(!answer.body.contains("example.com") && !answer.body.contains("order 7"), "{answer:?}");
        assert_eq!(app.head(&path).await.status, status);
    }
}

async fn a_disabled_link_leads_nowhere_until_it_is_enabled(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (path, code, id) = link(&app).await;
    assert_eq!(app.get(&code).await.status, 302);
    assert_eq!(app.clicks(&id).await, 1);
    let before = app.get(&path).await.expect(200);
    assert!(before.get("disabled_reason").is_none(), "{before}");

    let disabled = app.put(&path, &json!({"disabled_reason": "phishing"})).await.expect(200);
    assert_eq!((&disabled["disabled_reason"], &disabled["is_active"]), (&json!("phishing"), &json!(true)));
    assert!(disabled["updated_at"].as_str() > before["updated_at"].as_str());
    assert_leads_nowhere(&app, &code, 404, "url_not_found").await;
    let legal = send(app.request(Method::PATCH, &path).json(&json!({"disabled_reason": "Legal: order 7"}))).await;
    legal.expect(200);
    assert_leads_nowhere(&app, &code, 451, "link_disabled").await;

    let enabled = app.put(&path, &json!({"disabled_reason": null})).await.expect(200);
    assert!(enabled.get("disabled_reason").is_none(), "{enabled}");
    assert_eq!(app.get(&code).await.status, 302);
    assert_eq!(app.clicks(&id).await, 2, "what led nowhere was no click");
    let events = app.events_of(&id).await;
    let changes: Vec<&Value> =
        events.iter().filter(|event| event["event_type"] == "updated").map(|event| &event["details"]).collect();
    let expected = [json!("phishing"), json!("Legal: order 7"), Value::Null];
    let expected = expected.map(|value| json!({"field": "disabled_reason", "new_value": value}));
    assert_eq!(changes, expected.iter().collect::<Vec<_>>());
}

async fn every_list_shows_the_reason(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (path, ..) = link(&app).await;
    app.put(&path, &json!({"disabled_reason": "spam"})).await.expect(200);
    let counted = format!("{path}?include=clicks");
    for shown in [&path, &counted, "/urls", "/urls?per_page=5", "/urls?include=clicks", "/urls?sort=clicks"] {
        let answer = app.get(shown).await.expect(200);
        let url = answer.as_array().map_or(&answer, |list| &list[0]);
        assert_eq!(url["disabled_reason"], "spam", "{shown}");
    }
}

async fn its_owner_does_not_enable_it_by_other_changes(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (path, code, _) = link(&app).await;
    app.put(&path, &json!({"disabled_reason": "spam"})).await.expect(200);
    for change in [
        json!({"is_active": false}),
        json!({"is_active": true}),
        json!({"title": "New", "original_url": "https://example.com/other"}),
        json!({}),
    ] {
        assert_eq!(app.put(&path, &change).await.expect(200)["disabled_reason"], "spam", "{change}");
        assert_leads_nowhere(&app, &code, 404, "url_not_found").await;
    }
    // The law's word is told of links that their owner put to sleep as well.
    app.put(&path, &json!({"disabled_reason": "legal", "is_active": false})).await.expect(200);
    assert_leads_nowhere(&app, &code, 451, "link_disabled").await;
    app.put(&path, &json!({"disabled_reason": null})).await.expect(200);
    assert_leads_nowhere(&app, &code, 404, "url_not_found").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasons_that_break_a_rule_are_refused() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (path, code, id) = link(&app).await;
    for reason in [json!(""), json!(" "), json!(" spam"), json!("a\nb"), json!("x".repeat(201)), json!(7), json!(true)]
    {
        let answer = app.put(&path, &json!({"disabled_reason": reason, "title": "x"})).await;
        assert_eq!(answer.refused_fields(), ["disabled_reason"], "{reason}");
    }
    assert_eq!(app.get(&code).await.status, 302);
    app.put(&path, &json!({"disabled_reason": "ü".repeat(200)})).await.expect(200);
    app.put(&path, &json!({"disabled_reason": "ü".repeat(200)})).await.expect(200);
    let updates = app.events_of(&id).await.iter().filter(|event| event["event_type"] == "updated").count();
    assert_eq!(updates, 1, "the same reason once more changes nothing");
    // A link is not created disabled.
    let body = json!({"user_id": 1, "original_url": "https://example.com", "disabled_reason": "x"});
    assert_eq!(app.post("/urls", &body).await.refused_fields(), ["disabled_reason"]);
}

async fn a_reason_travels_in_files(kind: Kind) {
    let app = TestApp::start(kind).await;
    let owner = app.user("ann").await;
    let rows = format!(
        "user_id,original_url,short_code,disabled_reason\n{owner},https://example.com/1,one,\"legal: a, b\"\n\
         {owner},https://example.com/2,two,\n"
    );
    let form = Form::new().part("file", Part::text(rows).file_name("urls.csv"));
    send(app.request(Method::POST, "/urls/bulk").multipart(form)).await.expect(201);
    app.get("/one").await.problem(451, "link_disabled");
    assert_eq!(app.get("/two").await.status, 302);

    let exported = run(app.database.folder(), &["export", "out"], &[("DATABASE_URL", &app.database.url)]);
    assert!(exported.status.success(), "{exported:?}");
    let other = Arc::new(Database::fresh(if kind == Kind::Sqlite { Kind::Postgres } else { Kind::Sqlite }).await);
    let folder = app.database.folder().join("out");
    let folder = folder.to_str().unwrap();
    let imported = run(app.database.folder(), &["import", folder], &[("DATABASE_URL", &other.url)]);
    assert!(imported.status.success(), "{imported:?}");
    let there = TestApp::start_on(&other, &[]).await;
    let urls = |app: &TestApp| {
        let request = app.request(Method::GET, "/urls");
        async move {
            let mut urls = send(request).await.expect(200);
            urls.as_array_mut().unwrap().iter_mut().for_each(|url| url["short_url"] = Value::Null);
            urls
        }
    };
    assert_eq!(urls(&there).await, urls(&app).await);
    there.get("/one").await.problem(451, "link_disabled");
    assert_eq!(there.get("/two").await.status, 302);
}
