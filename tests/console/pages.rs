//! Every page in both colours, narrow and wide: no finding of axe-core, nothing wider than the window, no fault that
//! the browser reports. And the pictures of the documentation.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    driver::{Browser, Driver},
    site::{self, ADMIN},
};

const AXE: &str = include_str!("axe.min.js");
/// Answers the findings, each as a line.
const FINDINGS: &str = "const done = arguments[0]; axe.run().then((result) => done(result.violations.map((it) => \
                        `${it.id}: ${it.nodes.map((node) => node.html).join(' ')}`)), (error) => done([String(error)]));";

const PAGES: [(&str, &str); 13] = [
    ("links", "/console"),
    ("links-inactive", "/console?state=inactive"),
    ("create", "/console/links/new"),
    ("link", "/console/links/1"),
    ("edit", "/console/links/41/edit"),
    ("delete", "/console/links/41/delete"),
    ("statistics", "/console/statistics?range=90d"),
    ("users", "/console/users"),
    ("user", "/console/users/1"),
    ("import", "/console/import"),
    ("fleet", "/console/fleet"),
    ("help", "/console/help"),
    ("not-found", "/console/nothing"),
];
/// Those that need no session.
const PUBLIC: [(&str, &str); 3] = [("sign-in", "/console/sign-in"), ("home", "/"), ("no-link", "/no-such-code")];
const WIDTHS: [u32; 3] = [360, 768, 1280];

pub(crate) async fn no_page_has_a_finding(driver: &Driver) {
    let app = site::full().await;
    let browser = driver.browser(&app.base, true).await;
    let mut faults = Vec::new();
    for (name, path) in PUBLIC {
        examine(&browser, name, path, &mut faults).await;
    }
    sign_in(&browser).await;
    for (name, path) in PAGES {
        examine(&browser, name, path, &mut faults).await;
    }
    browser.close().await;
    let app = site::empty().await;
    let browser = driver.browser(&app.base, true).await;
    sign_in(&browser).await;
    for (name, path) in PAGES.into_iter().filter(|(name, _)| matches!(*name, "links" | "statistics" | "users")) {
        examine(&browser, &format!("empty {name}"), path, &mut faults).await;
    }
    browser.close().await;
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

async fn sign_in(browser: &Browser) {
    browser.open("/console").await;
    browser.fill("#token", ADMIN).await;
    browser.click("button").await;
    browser.find("nav[aria-label=Console]").await;
}

async fn examine(browser: &Browser, name: &str, path: &str, faults: &mut Vec<String>) {
    for (width, dark) in WIDTHS.into_iter().flat_map(|width| [(width, false), (width, true)]) {
        browser.be(width, dark).await;
        browser.open(path).await;
        let place = format!("{name} at {width} px{}", if dark { ", dark" } else { "" });
        let wide = browser.client.execute("return document.documentElement.scrollWidth", vec![]).await.unwrap();
        if wide.as_u64().is_none_or(|wide| wide > u64::from(width)) {
            faults.push(format!("{place}: {wide} px wide"));
        }
        browser.client.execute(AXE, vec![]).await.expect("axe-core loads");
        let found: Value = browser.client.execute_async(FINDINGS, vec![]).await.expect("axe-core runs");
        faults.extend(found.as_array().unwrap().iter().map(|fault| format!("{place}: {}", fault.as_str().unwrap())));
    }
}

/// Writes the pictures of the documentation.
pub(crate) async fn screenshots(driver: &Driver) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    fs::create_dir_all(&folder).expect("the folder can be made");
    let app = site::full().await;
    let browser = driver.browser(&app.base, true).await;
    for (name, path) in PUBLIC.into_iter().take(1) {
        picture(&browser, &folder, name, path).await;
    }
    sign_in(&browser).await;
    let shown = ["links", "create", "link", "statistics", "users", "import", "fleet"];
    for (name, path) in PAGES.into_iter().filter(|(name, _)| shown.contains(name)) {
        picture(&browser, &folder, name, path).await;
    }
    browser.close().await;
}

async fn picture(browser: &Browser, folder: &Path, name: &str, path: &str) {
    for (suffix, dark) in [("", false), ("-dark", true)] {
        browser.be(1_280, dark).await;
        browser.devtools("Emulation.setScrollbarsHidden", json!({"hidden": true})).await;
        browser.open(path).await;
        // Charts and the doctor's findings come after the page.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let picture = browser.client.screenshot().await.expect("the browser draws");
        fs::write(folder.join(format!("{name}{suffix}.png")), picture).expect("the picture can be written");
    }
}
