//! Targets that are refused, wherever a link gets one.

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    process::run,
};

on_both_databases!(the_import_command_obeys_as_well, the_published_links_come_in_whole);

const VARIABLES: [(&str, &str); 2] =
    [("BLOCKED_HOSTS", "evil.example, *.worse.example,bücher.example"), ("PUBLIC_URL", "https://go.buoy.example:8443")];

const PRIVATE: &str = "leads to a private, loopback or reserved address";
const BLOCKED: &str = "leads to a host that is blocked here";
const OWN: &str = "leads back to this service";

const REFUSED: [(&str, &str); 14] = [
    ("http://127.0.0.1/", PRIVATE),
    ("http://2130706433/", PRIVATE),
    ("http://0x7f.1:8080/x", PRIVATE),
    ("http://[::ffff:127.0.0.1]/", PRIVATE),
    ("http://[64:ff9b::a00:1]/", PRIVATE),
    ("http://169.254.169.254/latest/meta-data/", PRIVATE),
    ("http://localhost:3000", PRIVATE),
    ("https://app.localhost./", PRIVATE),
    ("https://vault.internal/", PRIVATE),
    ("https://evil.example/", BLOCKED),
    ("https://WWW.Evil.Example./x", BLOCKED),
    ("https://worse.example", BLOCKED),
    ("https://xn--bcher-kva.example/", BLOCKED),
    ("http://GO.buoy.example/abc", OWN),
];

async fn upload(app: &TestApp, rows: &str) -> Answer {
    let part = Part::text(rows.to_owned()).file_name("urls.csv");
    send(app.request(Method::POST, "/urls/bulk").multipart(Form::new().part("file", part))).await
}

fn assert_refused(answer: &Answer, why: &str, target: &str) {
    assert_eq!(answer.refused_fields(), ["original_url"], "{target}");
    assert_eq!(answer.json()["errors"]["original_url"], why, "{target}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_targets_are_named_on_every_way_in() {
    let app = TestApp::start_with(Kind::Sqlite, &VARIABLES).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com/good").await;
    let path = format!("/urls/{}", url["id"]);
    let mut rows = "user_id,original_url\n".to_owned();
    for (target, why) in REFUSED {
        let body = json!({"user_id": user, "original_url": target});
        assert_refused(&app.post("/urls", &body).await, why, target);
        let body = json!({"original_url": target, "title": "never"});
        assert_refused(&app.put(&path, &body).await, why, target);
        assert_refused(&send(app.request(Method::PATCH, &path).json(&body)).await, why, target);
        rows.push_str(&format!("{user},{target}\n"));
    }
    let problem = upload(&app, &format!("{rows}{user},https://example.com/fine\n")).await.problem(422, "invalid_rows");
    assert_eq!(problem["errors"].as_object().unwrap().len(), REFUSED.len(), "{problem}");
    for (index, (target, why)) in REFUSED.iter().enumerate() {
        assert_eq!(problem["errors"][format!("line {}", index + 2)], format!("original_url: {why}"), "{target}");
    }
    assert_eq!(app.get("/urls").await.expect(200), json!([url]), "nothing was kept or changed");
    assert_eq!(app.events_of(&url["id"]).await.len(), 1);
    // What only looks like it is a target like any other.
    for target in ["https://notevil.example", "https://buoy.example/", "https://example.com/?to=http://127.0.0.1/"] {
        assert_eq!(app.url(user, target).await["original_url"], target);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_targets_are_allowed_where_the_operator_says_so() {
    let variables = [VARIABLES[0], VARIABLES[1], ("ALLOW_PRIVATE_TARGETS", "true")];
    let app = TestApp::start_with(Kind::Sqlite, &variables).await;
    let user = app.user("ann").await;
    for (target, why) in REFUSED {
        let answer = app.post("/urls", &json!({"user_id": user, "original_url": target})).await;
        if why != PRIVATE {
            assert_refused(&answer, why, target);
            continue;
        }
        let code = answer.expect(201)["short_code"].as_str().unwrap().to_owned();
        assert_eq!(app.get(&format!("/{code}")).await.header("location"), Some(target));
    }
}

/// Without `PUBLIC_URL`, the host that was asked is the service's own, on every way in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_that_was_asked_is_no_target() {
    let app = TestApp::start_with(Kind::Sqlite, &[("ALLOW_PRIVATE_TARGETS", "true")]).await;
    let user = app.user("ann").await;
    let port = app.base.rsplit(':').next().unwrap();
    let (own, other) = (format!("{}/abc", app.base), format!("http://127.0.0.1:1/{port}"));
    let url = app.url(user, &other).await;
    let body = json!({"user_id": user, "original_url": own});
    assert_refused(&app.post("/urls", &body).await, OWN, &own);
    for method in [Method::PUT, Method::PATCH] {
        let answer = send(app.request(method, &format!("/urls/{}", url["id"])).json(&body)).await;
        assert_refused(&answer, OWN, &own);
    }
    let spellings = [own.clone(), format!("http://2130706433:{port}/"), format!("HTTP://127.0.0.1.:{port}?x")];
    let rows: String = spellings.iter().map(|target| format!("{user},{target}\n")).collect();
    let problem =
        upload(&app, &format!("user_id,original_url\n{user},{other}\n{rows}")).await.problem(422, "invalid_rows");
    let why = format!("original_url: {OWN}");
    assert_eq!(problem["errors"], json!({"line 3": why, "line 4": why, "line 5": why}));
    upload(&app, &format!("user_id,original_url\n{user},{other}\n")).await.expect(201);
}

fn import(database: &Database, arguments: &[&str], more: &[(&str, &str)]) -> crate::process::Finished {
    let mut variables = vec![("DATABASE_URL", database.url.as_str())];
    variables.extend(more);
    run(database.folder(), &[&["import"], arguments].concat(), &variables)
}

async fn the_import_command_obeys_as_well(kind: Kind) {
    let database = Database::fresh(kind).await;
    std::fs::write(database.folder().join("users.csv"), "id,username,email\n1,ann,ann@x.example\n").unwrap();
    let urls = "user_id,original_url\n1,https://example.com/\n1,http://10.0.0.1/\n1,https://a.evil.example/\n";
    std::fs::write(database.folder().join("urls.csv"), urls).unwrap();
    let files = ["users.csv", "urls.csv"];
    let refused = import(&database, &files, &VARIABLES);
    assert!(!refused.status.success(), "{refused:?}");
    for line in [
        format!("urls.csv:3: original_url: {PRIVATE}"),
        format!("urls.csv:4: original_url: {BLOCKED}"),
        "2 of 4 rows were refused, so nothing was imported".to_owned(),
    ] {
        assert!(refused.err.contains(&line), "{line}: {refused:?}");
    }
    let skipped = import(&database, &["--skip-bad", "users.csv", "urls.csv"], &VARIABLES);
    assert!(skipped.status.success() && skipped.out.contains("urls.csv: 3 rows, 1 created, 0 found, 2 refused"));
    let allowed = import(&database, &files, &[("ALLOW_PRIVATE_TARGETS", "true")]);
    assert!(allowed.status.success() && allowed.out.contains("urls.csv: 3 rows, 3 created"), "{allowed:?}");
}

async fn the_published_links_come_in_whole(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    // The hosts and forms of the published data set.
    let hosts = ["opswise.net", "acme.dev", "seeded.app", "hackstack.io", "relay.cloud", "example.com"];
    let rows = hosts.map(|host| format!("{user},https://{host}/urban/lagoon/1\n")).concat();
    let answer = upload(&app, &format!("user_id,original_url\n{rows}")).await.expect(201);
    assert_eq!((&answer["imported"], &answer["created"]), (&json!(6), &json!(6)));
    let listed: Vec<Value> = app.get("/urls").await.expect(200).as_array().unwrap().clone();
    assert_eq!(listed.len(), hosts.len());
}
