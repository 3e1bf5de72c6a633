//! What people do in the console.

use reqwest::Method;
use serde_json::json;

use crate::{
    app::{TestApp, send},
    driver::{Browser, Driver},
    site::{self, ADMIN, HOSTILE},
};

/// Signs in and stands before the list.
async fn signed_in(driver: &Driver, app: &TestApp, has_script: bool) -> Browser {
    let browser = driver.browser(&app.base, has_script).await;
    browser.open("/console").await;
    browser.fill("#token", ADMIN).await;
    browser.click("button").await;
    browser.find("nav[aria-label=Console]").await;
    browser
}

/// A link as the API has it.
async fn link(app: &TestApp, id: i64) -> serde_json::Value {
    send(app.request(Method::GET, &format!("/urls/{id}")).bearer_auth(ADMIN)).await.json()
}

pub(crate) async fn from_signing_in_to_a_revoked_key(driver: &Driver) {
    let app = site::empty().await;
    let browser = driver.browser(&app.base, true).await;
    browser.open("/console").await;
    browser.fill("#token", "not the token").await;
    browser.click("button").await;
    browser.shows("not valid").await;
    browser.fill("#token", ADMIN).await;
    browser.click("button").await;
    browser.shows("Create your first link").await;

    // The first link, with its owner, and a title that strangers would like.
    browser.click("a[href='/console/links/new'].primary").await;
    browser.fill("#original_url", "https://example.com/summer").await;
    browser.fill("#short_code", "summer25").await;
    browser.shows("summer25 is free").await;
    browser.fill("#title", HOSTILE).await;
    browser.fill("#username", "ann").await;
    browser.fill("#email", "ann@example.com").await;
    browser.click(".form-end .primary").await;
    browser.shows("Your link is live").await;
    assert_ne!(browser.client.title().await.unwrap(), "owned", "markup in a title is inert");
    browser.click(".made [data-copy]").await;
    browser.shows("Copied http://localhost").await;

    // The code is taken now, and says so while it is typed.
    browser.open("/console/links/new").await;
    browser.fill("#short_code", "summer25").await;
    browser.shows("another link's").await;
    browser.fill("#short_code", "admin").await;
    browser.shows("is a reserved word").await;

    // Edit, then disable from the list and take it back.
    browser.open("/console/links/1/edit").await;
    browser.fill("#title", "Summer").await;
    browser.click(".form-end .primary").await;
    browser.shows("1 link saved").await;
    browser.open("/console").await;
    browser.click("input[name=id]").await;
    browser.shows("1 selected").await;
    browser.click("button[value=disable]").await;
    browser.shows("1 link disabled").await;
    assert_eq!(link(&app, 1).await["is_active"], false);
    browser.click(".notice button").await;
    browser.shows("1 link enabled").await;
    assert_eq!(link(&app, 1).await["is_active"], true);

    // Filter: the address says which view it is.
    browser.click("select[name=state] option[value=inactive]").await;
    browser.shows("No link matches").await;
    assert!(browser.path().await.contains("state=inactive"), "{}", browser.path().await);

    // Statistics of a range.
    let click = json!({"event_type": "click", "url_id": 1, "details": {"referrer": "news.example.com"}});
    send(app.request(Method::POST, "/events").bearer_auth(ADMIN).json(&click)).await.expect(201);
    browser.open("/console/links/1").await;
    browser.click("button[value='7d']").await;
    browser.shows("news.example.com").await;
    browser.find(".chart canvas").await;

    // A key is made, shown once, and revoked.
    browser.open("/console/users/1").await;
    browser.fill("#name", "deploy").await;
    browser.click(".form-end .primary").await;
    browser.shows("copy this key now").await;
    let key = browser.text(".secret").await;
    browser.open("/console/users/1").await;
    let second = driver.browser(&app.base, true).await;
    second.open("/console").await;
    second.fill("#token", &key).await;
    second.click("button").await;
    second.shows("summer25").await;
    browser.click(".keys-table button").await;
    browser.shows("revoked").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    second.open("/console").await;
    second.shows("Sign in to buoy").await;
    second.close().await;

    // Deleting asks for the code.
    browser.open("/console/links/1/delete").await;
    browser.fill("#code", "summer25").await;
    browser.click(".form-end .primary").await;
    browser.shows("1 link deleted").await;
    browser.close().await;
}

pub(crate) async fn the_keyboard_alone_is_enough(driver: &Driver) {
    let app = site::full().await;
    let browser = signed_in(driver, &app, true).await;
    browser.find("[data-row]").await;
    browser.press("jj").await;
    browser.find("[data-row].current:nth-of-type(3)").await;
    browser.press("k").await;
    browser.find("[data-row].current:nth-of-type(2)").await;
    browser.press("x").await;
    browser.shows("1 selected").await;
    browser.press("e").await;
    browser.shows("Edit link").await;
    browser.fill("#title", "by hand").await;
    browser.press("c").await;
    assert!(browser.path().await.ends_with("/edit"), "a field that has the focus keeps its keys");
    browser.press("\u{e007}").await;
    browser.shows("by handc").await;
    browser.open("/console").await;
    browser.press("c").await;
    browser.shows("Create a link").await;
    browser.open("/console").await;
    browser.press("?").await;
    browser.shows("Switch the keys off").await;
    browser.click("button[name=keys]").await;
    browser.shows("Switch the keys on").await;
    browser.press("c").await;
    assert!(browser.path().await.ends_with("/help"));
    browser.close().await;
}

pub(crate) async fn two_windows_do_not_overwrite_each_other(driver: &Driver) {
    let app = site::full().await;
    let (one, other) = (signed_in(driver, &app, true).await, signed_in(driver, &app, true).await);
    one.open("/console/links/1/edit").await;
    other.open("/console/links/1/edit").await;
    one.fill("#title", "The first").await;
    one.click(".form-end .primary").await;
    one.shows("1 link saved").await;
    other.fill("#title", "The second").await;
    other.click(".form-end .primary").await;
    other.shows("This link changed since you opened it").await;
    let versions = other.text(".versions").await;
    assert!(versions.contains("The first") && versions.contains("The second"), "{versions}");
    assert_eq!(link(&app, 1).await["title"], "The first");
    other.click(".form-end .primary").await;
    other.shows("1 link saved").await;
    assert_eq!(link(&app, 1).await["title"], "The second");
    one.close().await;
    other.close().await;
}

pub(crate) async fn links_are_made_and_edited_without_script(driver: &Driver) {
    let app = site::full().await;
    let browser = signed_in(driver, &app, false).await;
    browser.click("a[href='/console/links/new'].primary").await;
    browser.fill("#original_url", "https://example.com/plain").await;
    browser.fill("#short_code", "plain").await;
    browser.click(".form-end .primary").await;
    browser.find(".made").await;
    assert!(browser.text(".made").await.contains("Your link is live"));
    browser.click("[data-edit-page]").await;
    browser.fill("#title", "Plain").await;
    browser.click(".form-end .primary").await;
    browser.find(".link-head").await;
    assert!(browser.text("h1").await.contains("Plain"));
    browser.click(".as-table summary").await;
    browser.open("/console?state=inactive").await;
    assert!(browser.text("#list").await.contains("inactive"));
    browser.close().await;
}
