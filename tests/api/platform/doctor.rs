//! `buoy doctor` on environments that are well, and on some that are not.

use serde_json::Value;

use crate::{
    app::TestApp,
    common::database::{Database, Kind},
    forwarder::Forwarder,
    platform::{assert_done, assert_refused, schema::Guest},
    process::{Finished, run},
};

fn doctor(url: &str, arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["doctor"];
    all.extend(arguments);
    run(folder.path(), &all, &[("DATABASE_URL", url)])
}

/// The status of each check of a report in JSON.
fn statuses(ended: &Finished) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("not JSON: {ended:?}"));
    assert_eq!(report["ok"], ended.status.success(), "{report}");
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let checks = report["checks"].as_array().expect("checks are a list");
    for check in checks {
        assert_eq!(check["status"] != "ok", check["mend"].is_string(), "{check}");
    }
    checks.iter().map(|check| (text(&check["name"]), text(&check["status"]))).collect()
}

fn status_of(ended: &Finished, name: &str) -> String {
    statuses(ended).into_iter().find(|(check, _)| check == name).map_or("none".to_owned(), |(_, status)| status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_environment_is_found_sound() {
    let database = Database::fresh(Kind::Postgres).await;
    let ended = doctor(&database.url, &["--json"]);
    assert_done(&ended);
    let names =
        ["configuration", "database", "encryption", "schema", "privileges", "connections", "sequences", "clock"];
    assert_eq!(statuses(&ended), names.map(|name| (name.to_owned(), "ok".to_owned())), "{ended:?}");
    let text = doctor(&database.url, &[]);
    assert_done(&text);
    assert!(!text.out.contains('\u{1b}'), "colours are for terminals: {text:?}");
    assert_eq!(text.out.lines().filter(|line| line.starts_with("ok ")).count(), names.len(), "{text:?}");
    let job = run(database.folder(), &[], &[("DATABASE_URL", &database.url), ("BUOY_COMMAND", "doctor")]);
    assert_done(&job);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_at_work_are_counted_against_the_limit() {
    let guest = Guest::new().await;
    guest.as_owner(&format!("GRANT ALL ON SCHEMA public TO {}", guest.role)).await;
    assert_done(&guest.run("migrate", &[]));
    // Two of them: 2 x 2 x (2 + 1) + 1 = 13.
    let (url, role) = (guest.url.clone(), guest.role.clone());
    guest.as_owner(&format!("ALTER ROLE {role} CONNECTION LIMIT 13")).await;
    let variables = [("DATABASE_URL", url.as_str()), ("DATABASE_POOL_SIZE", "2")];
    let database = std::sync::Arc::new(guest.database);
    let _one = TestApp::start_on(&database, &variables).await;
    let _two = TestApp::start_on(&database, &variables).await;
    let examine = |arguments: &[&str]| run(database.folder(), arguments, &variables);
    let enough = examine(&["doctor"]);
    assert_done(&enough);
    assert!(enough.out.contains("2 x 2 x (2 + 1) + 1 for migrate = 13"), "{enough:?}");
    let ended = examine(&["doctor", "--json", "--instances", "3"]);
    assert_refused(&ended, &["DATABASE_POOL_SIZE to 1 at most"]);
    assert_eq!(status_of(&ended, "connections"), "fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_there_is_told() {
    let database = Database::fresh(Kind::Postgres).await;
    let mut way = Forwarder::closed(&database.url);
    let ended = doctor(&way.url, &["--json"]);
    assert_eq!(status_of(&ended, "database"), "fail");
    assert_refused(&ended, &["refused", "trusted sources"]);
    way.open();
    way.fall_silent().await;
    let ended = doctor(&way.url, &["--json"]);
    assert_eq!(status_of(&ended, "database"), "fail");
    assert_refused(&ended, &["no answer within"]);
    let mut wrong = url::Url::parse(&database.url).unwrap();
    wrong.set_password(Some("hunter2")).unwrap();
    let ended = doctor(wrong.as_str(), &[]);
    assert_refused(&ended, &["fail  database", "user name and password"]);
    assert!(!ended.output().contains("hunter2"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_missing_is_told() {
    let database = Database::empty(Kind::Postgres).await;
    let ended = doctor(&database.url, &["--json"]);
    assert_refused(&ended, &["buoy migrate"]);
    assert_eq!(status_of(&ended, "schema"), "fail");
    assert_eq!(status_of(&ended, "database"), "ok");
}

#[test]
fn faults_of_the_configuration_are_checks_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("DATABASE_URL", "${db.DATABASE_URL}"), ("PORT", "http")];
    let ended = run(folder.path(), &["doctor", "--json"], &variables);
    let failed = ("configuration".to_owned(), "fail".to_owned());
    assert_eq!(statuses(&ended), [failed.clone(), failed]);
    assert_refused(&ended, &["2 checks failed", "${db.DATABASE_URL}"]);
}

#[test]
fn the_embedded_database_is_looked_at_and_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let examine = || run(folder.path(), &["doctor", "--json"], &[]);
    assert_eq!(status_of(&examine(), "database"), "warn");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_done(&run(folder.path(), &["migrate"], &[]));
    assert_eq!(status_of(&examine(), "database"), "ok");
    std::fs::write(folder.path().join("buoy.db"), "this is no database".repeat(1_000)).unwrap();
    assert_eq!(status_of(&examine(), "database"), "fail");
}

#[test]
fn what_serve_would_refuse_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for (variables, name) in [
        (&[("HOST", "0.0.0.0")][..], "access"),
        (&[("GEOIP_DB", "/none/countries.mmdb")], "countries"),
        (&[("DATABASE_URL", "sqlite:none/buoy.db")], "database"),
    ] {
        let mut served = variables.to_vec();
        served.push(("PORT", "0"));
        assert_eq!(run(folder.path(), &["serve"], &served).status.code(), Some(1), "{variables:?}");
        assert_eq!(status_of(&run(folder.path(), &["doctor", "--json"], variables), name), "fail", "{variables:?}");
    }
}

#[test]
fn a_misspelt_variable_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["doctor"], &[("ADMIN_TOKN", "x")]);
    assert!(
        ended.out.contains("warn  configuration") && ended.out.contains("ADMIN_TOKEN was probably meant"),
        "{ended:?}"
    );
}
