//! The list of links, and the forms that create, change and delete them.

use reqwest::Method;
use serde_json::json;

use super::browser::{Browser, hidden};
use crate::{
    app::TestApp,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    the_first_link_is_made_with_its_owner,
    a_list_is_filtered_and_paged_by_its_address,
    selected_links_are_disabled_and_the_change_is_undone,
    an_edit_does_not_overwrite_another,
    deletion_asks_for_what_is_deleted,
    a_code_is_judged_while_it_is_typed
);

async fn the_first_link_is_made_with_its_owner(kind: Kind) {
    let app = TestApp::start(kind).await;
    let browser = Browser::new(&app);
    assert!(browser.get("/console").await.body.contains("Create your first link"));
    let fields = [("username", "ann"), ("email", "no address"), ("original_url", "https://example.com/a")];
    let refused = browser.post("/console/links/new", &fields).await;
    assert!(refused.status == 422 && refused.body.contains("is not an e-mail address"), "{refused:?}");
    assert!(refused.body.contains("value=\"https://example.com/a\""), "what was typed is kept: {refused:?}");
    let fields = [("username", "ann"), ("email", "ann@example.com"), ("original_url", "https://example.com/a")];
    let answer = browser.post("/console/links/new", &fields).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let link = app.get("/urls/1").await.expect(200);
    assert_eq!((&link["user_id"], &link["original_url"]), (&json!(1), &json!("https://example.com/a")));
    // A code that is taken is told beside its field.
    let code = link["short_code"].as_str().unwrap();
    let again = [("user_id", "1"), ("short_code", code), ("original_url", "https://example.com/b")];
    let taken = browser.post("/console/links/new", &again).await;
    assert!(taken.status == 409 && taken.body.contains("Short code is taken, or was once"), "{taken:?}");
}

async fn a_list_is_filtered_and_paged_by_its_address(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (browser, user) = (Browser::new(&app), app.user("ann").await);
    app.database.add_urls(60).await;
    let link = app.url(user, "https://example.com/rare").await;
    app.put(&format!("/urls/{}", link["id"]), &json!({"is_active": false})).await.expect(200);
    app.post("/events", &json!({"event_type": "click", "url_id": 7})).await.expect(201);

    let page = browser.get("/console").await.body;
    assert_eq!(page.matches("data-row").count(), 50);
    let first = page.find("\"/console/links/7\"").unwrap();
    assert!(!page[..first].contains("\"/console/links/1\""), "the most clicked link comes first");
    assert!(page.contains("1 click in 30 days") && page.contains("0 clicks in 30 days"));
    let next = page.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert_eq!(browser.get(&next).await.body.matches("data-row").count(), 11);
    let inactive = browser.get("/console?state=inactive").await.body;
    assert!(inactive.matches("data-row").count() == 1 && inactive.contains("example.com/rare"));
    assert!(browser.get("/console?owner=99").await.body.contains("No link matches"));
    assert_eq!(browser.get("/console?owner=x").await.status, 422);
}

async fn selected_links_are_disabled_and_the_change_is_undone(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (browser, user) = (Browser::new(&app), app.user("ann").await);
    for target in ["https://example.com/1", "https://example.com/2", "https://example.com/3"] {
        app.url(user, target).await;
    }
    app.put("/urls/3", &json!({"is_active": false})).await.expect(200);
    let active = async || {
        let links = app.get("/urls?is_active=true").await.expect(200);
        links.as_array().unwrap().iter().map(|link| link["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let ticked =
        [("action", "disable"), ("id", "1.active"), ("id", "3.inactive"), ("id", "99.active"), ("to", "/console")];
    let answer = browser.post("/console/links", &ticked).await;
    assert_eq!(active().await, [2]);
    let page = browser.follow(&answer).await.body;
    assert!(page.contains("1 link disabled. 1 link could not be changed."), "{page}");
    let undo = [("action", hidden(&page, "action")), ("id", hidden(&page, "id")), ("to", "/console")];
    let answer = browser.post("/console/links", &undo).await;
    assert_eq!(active().await, [1, 2]);
    assert!(browser.follow(&answer).await.body.contains("1 link enabled."));
    assert!(!browser.get("/console").await.body.contains("1 link enabled."), "it is told once");
}

async fn an_edit_does_not_overwrite_another(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (browser, user) = (Browser::new(&app), app.user("ann").await);
    app.url(user, "https://example.com/old").await;
    let opened = browser.get("/console/links/1/edit").await.body;
    app.put("/urls/1", &json!({"title": "Theirs"})).await.expect(200);
    let mine = |version: &str| {
        let fields = [("original_url", "https://example.com/new"), ("title", "Mine"), ("is_active", "on")];
        fields.into_iter().chain([("version", version)]).map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>()
    };
    let post = async |page: &str| {
        let fields = mine(hidden(page, "version"));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        browser.post("/console/links/1/edit", &fields).await
    };
    let conflict = post(&opened).await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.body.contains("<td>Mine</td><td>Theirs</td>"), "{conflict:?}");
    assert_eq!(app.get("/urls/1").await.expect(200)["title"], "Theirs");
    assert_eq!(post(&conflict.body).await.status, 303);
    let link = app.get("/urls/1").await.expect(200);
    assert_eq!((&link["title"], &link["original_url"]), (&json!("Mine"), &json!("https://example.com/new")));
}

async fn deletion_asks_for_what_is_deleted(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (browser, user) = (Browser::new(&app), app.user("ann").await);
    for target in ["https://example.com/1", "https://example.com/2", "https://example.com/3"] {
        app.url(user, target).await;
    }
    let code = app.get("/urls/1").await.expect(200)["short_code"].as_str().unwrap().to_owned();
    assert_eq!(browser.post("/console/links/1/delete", &[("code", "wrong")]).await.status, 422);
    assert_eq!(app.get("/urls/1").await.status, 200);
    assert_eq!(browser.post("/console/links/1/delete", &[("code", &code)]).await.status, 303);
    assert_eq!(app.get("/urls/1").await.status, 404);
    let both = [("action", "delete"), ("id", "2.active"), ("id", "3.active")];
    assert!(browser.post("/console/links", &both).await.body.contains("Type <code>2</code>"));
    assert_eq!(app.get("/urls").await.expect(200).as_array().unwrap().len(), 2);
    let sure: Vec<_> = both.into_iter().chain([("count", "2")]).collect();
    assert_eq!(browser.post("/console/links", &sure).await.status, 303);
    assert_eq!(app.get("/urls").await.expect(200), json!([]));
}

async fn a_code_is_judged_while_it_is_typed(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (browser, user) = (Browser::new(&app), app.user("ann").await);
    for code in ["taken", "gone"] {
        let body = json!({"user_id": user, "original_url": "https://example.com", "short_code": code});
        app.post("/urls", &body).await.expect(201);
    }
    app.delete("/urls/2").await;
    for (code, verdict) in [
        ("free", "class=\"good\">free is free"),
        ("taken", "another link&#39;s"),
        ("gone", "was used once"),
        ("console", "is a reserved word"),
        ("a%20b", "must be 1 to 64 characters"),
    ] {
        let answer = browser.get(&format!("/console/codes?short_code={code}")).await;
        assert!(answer.status == 200 && answer.body.contains(verdict), "{code}: {answer:?}");
    }
    assert_eq!(browser.get("/console/codes?short_code=").await.body, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_every_field_is_inert() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (browser, user) = (Browser::new(&app), app.user("<i>ann</i>").await);
    let evil = "\"'><script>alert(1)</script>";
    let body = json!({"user_id": user, "title": evil, "original_url": format!("https://example.com/{evil}")});
    app.post("/urls", &body).await.expect(201);
    app.put("/urls/1", &json!({"disabled_reason": evil})).await.expect(200);
    let fields = [("original_url", evil), ("short_code", evil), ("title", evil), ("user_id", evil), ("version", evil)];
    let query = "?original_url=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&short_code=%3Cscript%3Ealert(1)%3C/script%3E";
    let pages = [
        browser.get("/console").await,
        browser.get("/console/links/1/edit").await,
        browser.get("/console/links/1").await,
        browser.get("/console/links/1/delete").await,
        browser.get(&format!("/console/links/new{query}")).await,
        browser.get(&format!("/console/codes{query}")).await,
        browser.post("/console/links/new", &fields).await,
        browser.post("/console/links/1/edit", &fields).await,
    ];
    for page in pages {
        assert!(page.status < 500 && !page.body.contains("<script>alert") && !page.body.contains("<i>ann"), "{page:?}");
        assert!(page.body.contains("alert(1)"), "the text itself is there: {page:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_load_is_small_and_its_files_are_kept() {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    app.url(user, "https://example.com").await;
    let load = async |path: &str| {
        let request = app.request(Method::GET, path).header("accept-encoding", "gzip");
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-encoding"]),
            (200, &"gzip".parse().unwrap())
        );
        (response.headers().clone(), response.bytes().await.unwrap().len())
    };
    let page = Browser::new(&app).get("/console").await.body;
    let files = page.split("=\"/console/assets/").skip(1).map(|rest| rest.split('"').next().unwrap());
    let (_, mut bytes) = load("/console").await;
    for file in files {
        let path = format!("/console/assets/{file}");
        let (headers, size) = load(&path).await;
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable", "{path}");
        let known = app.request(Method::GET, &path).header("if-none-match", headers["etag"].clone());
        assert_eq!(crate::app::send(known).await.status, 304, "{path}");
        bytes += size;
    }
    assert!((20_000..60_000).contains(&bytes), "{bytes} bytes");
}
