//! Users and their keys, the fleet, and imports.

use reqwest::{Method, multipart};
use serde_json::json;

use super::browser::Browser;
use crate::{
    access::{ADMIN, Guarded},
    app::TestApp,
    common::{database::Kind, on_both_databases},
};

on_both_databases!(
    a_key_is_shown_once_and_revoked,
    users_are_added_changed_and_deleted_by_name,
    the_fleet_shows_its_ledger_and_findings,
    an_import_names_its_bad_rows
);

async fn a_key_is_shown_once_and_revoked(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let browser = Browser::signed_in(&guarded.app, ADMIN).await;
    let path = format!("/console/users/{}", guarded.bob);
    let fields = [("name", "deploy"), ("scope", "links:read"), ("scope", "stats:read"), ("expires", "2099-01-01")];
    let made = browser.post(&format!("{path}/keys"), &fields).await;
    assert_eq!(made.status, 200, "{made:?}");
    let key = made.body.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(guarded.app.ask(&key, Method::GET, "/urls", None).await.expect(200), json!([]));
    let page = browser.get(&path).await.body;
    assert!(page.contains("links:read, stats:read") && !page.contains(&key) && !page.contains("class=\"secret\""));
    let refused = browser.post(&format!("{path}/keys"), &[("name", "nothing")]).await;
    assert!(refused.status == 422 && refused.body.contains("must be a list of at least one"), "{refused:?}");
    let revoke = page.split("action=\"").find(|it| it.contains("/revoke\"")).unwrap().split('"').next().unwrap();
    assert_eq!(browser.post(revoke, &[]).await.status, 303);
    assert!(browser.get(&path).await.body.contains(">revoked<"));
    let gone = async || guarded.app.ask(&key, Method::GET, "/urls", None).await.status == 401;
    guarded.app.until("revoked", gone).await;
}

async fn users_are_added_changed_and_deleted_by_name(kind: Kind) {
    let app = TestApp::start(kind).await;
    let browser = Browser::new(&app);
    let ann = [("username", "ann"), ("email", "ann@example.com")];
    assert_eq!(browser.post("/console/users", &ann).await.header("location"), Some("/console/users/1"));
    let taken = browser.post("/console/users", &ann).await;
    assert!(taken.status == 409 && taken.body.contains("is taken"), "{taken:?}");
    let change = [("username", "anna"), ("email", "ann@example.com")];
    assert_eq!(browser.post("/console/users/1", &change).await.status, 303);
    assert_eq!(app.get("/users/1").await.expect(200)["username"], "anna");
    assert_eq!(browser.post("/console/users/1/delete", &[("name", "ann")]).await.status, 422);
    assert_eq!(browser.post("/console/users/1/delete", &[("name", "anna")]).await.status, 303);
    assert_eq!(app.get("/users").await.expect(200), json!([]));
    // An open API makes no keys, and says so.
    let bob = app.user("bob").await;
    assert!(browser.get(&format!("/console/users/{bob}")).await.body.contains("no keys are made here"));
}

async fn the_fleet_shows_its_ledger_and_findings(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let browser = Browser::signed_in(&guarded.app, ADMIN).await;
    let code = guarded.app.client.get(format!("{}/anns", guarded.app.base)).send().await.unwrap().status();
    assert_eq!(code.as_u16(), 302);
    guarded
        .app
        .until("in the ledger", || async {
            let page = browser.get("/console/fleet").await;
            page.status == 200
                && page.body.contains("<span class=\"value\">1</span><span class=\"name\">stored")
                && page.body.contains(env!("CARGO_PKG_VERSION"))
                && page.body.contains("answered this page")
        })
        .await;
    let findings = browser.get("/console/fleet/findings").await;
    assert!(findings.status == 200 && findings.body.contains("badge ok"), "{findings:?}");
    let (_, key) = guarded.key(guarded.bob, &["links:read", "links:write"]).await;
    let bob = Browser::signed_in(&guarded.app, &key).await;
    for path in ["/console/fleet", "/console/fleet/findings"] {
        assert_eq!(bob.get(path).await.status, 403, "{path}");
    }
    assert!(!bob.get("/console").await.body.contains("/console/fleet"));
}

async fn an_import_names_its_bad_rows(kind: Kind) {
    let app = TestApp::start(kind).await;
    let browser = Browser::new(&app);
    let import = async |text: &str| {
        let file = multipart::Part::text(text.to_owned()).file_name("users.csv");
        let form = multipart::Form::new().part("file", file);
        let request = browser.request(Method::POST, "/console/import/users").multipart(form);
        browser.send(request.header("sec-fetch-site", "same-origin")).await
    };
    let bad = import("username,email\r\nann,ann@example.com\r\n<b>bob</b>,nothing\r\n").await;
    assert!(bad.status == 422 && bad.body.contains("line 3"), "{bad:?}");
    assert!(bad.body.contains("Nothing was taken in") && bad.body.contains(">email<"), "{bad:?}");
    assert_eq!(app.get("/users").await.expect(200), json!([]));
    let good = import("username,email\r\nann,ann@example.com\r\n").await;
    assert!(good.status == 200 && good.body.contains("1 row taken in"), "{good:?}");
    assert!(import("username,email\r\nann,ann@example.com\r\n").await.body.contains("1 row was there already"));
    assert_eq!(browser.get("/console/import/nothing").await.status, 404);
}
