//! The program at the command line: its commands, its configuration, and what it says when it cannot start.

use std::fs;

use crate::{
    app::TestApp,
    common::database::{Database, Kind},
    process::{Finished, Server, run},
};

const SECRET: &str = "hunter2-and-more";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn assert_fails_without(secret: &str, ended: &Finished, said: &[&str]) {
    assert!(!ended.status.success(), "{ended:?}");
    let output = ended.output();
    assert!(!output.contains(secret), "{output}");
    for word in said {
        assert!(output.contains(word), "{word}: {output}");
    }
}

#[test]
fn help_teaches_the_commands() {
    let folder = folder();
    let help = run(folder.path(), &["--help"], &[]);
    assert!(help.status.success(), "{help:?}");
    for word in
        ["serve", "migrate", "healthcheck", "config", "completions", "BUOY_COMMAND", "DATABASE_URL", "--env-file"]
    {
        assert!(help.out.contains(word), "{word}: {}", help.out);
    }
    for command in ["serve", "migrate", "healthcheck", "config", "completions"] {
        let help = run(folder.path(), &[command, "--help"], &[]);
        assert!(help.status.success() && help.out.contains("Usage: buoy"), "{help:?}");
    }
    let version = run(folder.path(), &["--version"], &[]);
    assert_eq!(version.out.trim(), format!("buoy {}", env!("CARGO_PKG_VERSION")));
    let unknown = run(folder.path(), &["sail"], &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(unknown.err.contains("sail"), "{unknown:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "none of this makes a database");
}

#[test]
fn config_explains_every_variable_and_masks_secrets() {
    let folder = folder();
    let url = format!("postgres://ann:{SECRET}@db.example:5433/buoy?password={SECRET}");
    let shown = run(folder.path(), &["config"], &[("DATABASE_URL", &url), ("PORT", "9000")]);
    assert!(shown.status.success(), "{shown:?}");
    assert!(!shown.output().contains(SECRET), "{shown:?}");
    for line in [
        "DATABASE_URL=postgres://ann:***@db.example:5433/buoy",
        "PORT=9000  (default: 8080)",
        "HOST=127.0.0.1  (default)",
    ] {
        assert!(shown.out.contains(line), "{line}: {}", shown.out);
    }
    for variable in buoy::config::variables() {
        assert!(shown.out.contains(variable.name) && shown.out.contains(variable.meaning), "{}", variable.name);
    }
}

#[test]
fn every_fault_of_the_configuration_is_in_one_message() {
    let folder = folder();
    let variables = [
        ("DATABASE_URL", "mysql://root:hunter2-and-more@db/buoy"),
        ("PORT", "http"),
        ("HOST", "localhost:80"),
        ("LOG_FORMAT", "xml"),
        ("PUBLIC_URL", "go.example.com"),
        ("SHUTDOWN_GRACE_SECONDS", "1"),
        ("CACHE_CAPACITY", "-1"),
    ];
    for command in ["serve", "migrate", "healthcheck", "config"] {
        let ended = run(folder.path(), &[command], &variables);
        let names = variables.map(|(name, _)| name);
        assert_fails_without(SECRET, &ended, &names);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    }
}

#[test]
fn a_misspelt_variable_is_named_with_the_likely_one() {
    let folder = folder();
    let shown = run(folder.path(), &["config"], &[("DATABSE_URL", SECRET), ("LIMTS", "off")]);
    assert!(shown.status.success(), "{shown:?}");
    assert_fails_without(
        SECRET,
        &run(folder.path(), &["serve"], &[("PROT", "x"), ("DATABSE_URL", SECRET), ("PORT", "x")]),
        &["DATABASE_URL was"],
    );
    for line in ["DATABSE_URL is no variable", "DATABASE_URL was probably meant", "LIMITS was probably meant"] {
        assert!(shown.err.contains(line) && !shown.err.contains(SECRET), "{line}: {shown:?}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(folder.path(), &["completions", shell], &[]);
        assert!(script.status.success() && script.out.contains("buoy") && script.out.contains("migrate"), "{shell}");
    }
}

#[test]
fn a_variable_may_choose_the_command() {
    let folder = folder();
    let shown = run(folder.path(), &[], &[("BUOY_COMMAND", "config")]);
    assert!(shown.status.success() && shown.out.contains("DATABASE_URL="), "{shown:?}");
    let argument = run(folder.path(), &["completions", "bash"], &[("BUOY_COMMAND", "config")]);
    assert!(!argument.out.contains("DATABASE_URL="), "an argument wins: {argument:?}");
    assert_fails_without(SECRET, &run(folder.path(), &[], &[("BUOY_COMMAND", "sail")]), &["BUOY_COMMAND", "sail"]);
}

#[test]
fn a_file_of_variables_is_read_where_it_is_asked_for() {
    let folder = folder();
    fs::write(folder.path().join(".env"), "PORT=1111\n").unwrap();
    fs::write(folder.path().join("prod.env"), "# a comment\nPORT=2222\nHOST=0.0.0.0\n").unwrap();
    let shown = run(folder.path(), &["config"], &[]);
    assert!(shown.out.contains("PORT=8080"), "nothing is read by itself: {shown:?}");
    let shown = run(folder.path(), &["--env-file", "prod.env", "config"], &[("PORT", "3333")]);
    assert!(shown.out.contains("PORT=3333") && shown.out.contains("HOST=0.0.0.0"), "the environment wins: {shown:?}");
    assert_fails_without(SECRET, &run(folder.path(), &["--env-file", "none.env", "config"], &[]), &["none.env"]);
    fs::write(folder.path().join("bad.env"), format!("PORT=1\n{SECRET}\n")).unwrap();
    assert_fails_without(SECRET, &run(folder.path(), &["--env-file", "bad.env", "config"], &[]), &["bad.env:2"]);
}

#[test]
fn malformed_addresses_of_databases_stop_the_program() {
    let folder = folder();
    for url in [
        format!("mysql://ann:{SECRET}@db/buoy"),
        format!("postgres//ann:{SECRET}@db/buoy"),
        format!("postgres://ann:{SECRET}@db:port/buoy"),
        format!("postgres://ann:{SECRET}@/buoy?sslmode=sometimes"),
        SECRET.to_owned(),
        "${db.DATABASE_URL}".to_owned(),
    ] {
        for command in ["serve", "migrate"] {
            let ended = run(folder.path(), &[command], &[("DATABASE_URL", &url), ("PORT", "0")]);
            assert_fails_without(SECRET, &ended, &["DATABASE_URL"]);
        }
        let shown = run(folder.path(), &["config"], &[("DATABASE_URL", &url)]);
        assert!(shown.out.contains("DATABASE_URL=***") && !shown.output().contains(SECRET), "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_stop_the_program() {
    let database = Database::fresh(Kind::Postgres).await;
    let mut url = url::Url::parse(&database.url).unwrap();
    url.set_password(Some(SECRET)).unwrap();
    for command in ["serve", "migrate"] {
        let ended = run(database.folder(), &[command], &[("DATABASE_URL", url.as_str()), ("PORT", "0")]);
        let place = format!("{} on {} port {}", database.name, url.host_str().unwrap(), url.port().unwrap());
        assert_fails_without(SECRET, &ended, &["DATABASE_URL", "password", &place]);
    }
}

#[test]
fn a_file_that_is_no_database_stops_the_program() {
    let folder = folder();
    fs::write(folder.path().join("buoy.db"), "this is no database".repeat(1_000)).unwrap();
    for command in ["serve", "migrate"] {
        let ended = run(folder.path(), &[command], &[("PORT", "0")]);
        let file = folder.path().join("buoy.db").display().to_string();
        assert_fails_without(SECRET, &ended, &[&file, "no SQLite database", "DATABASE_URL"]);
        assert_eq!(ended.err.matches("cannot be opened").count(), 1, "{ended:?}");
    }
    for (url, why) in [("sqlite:none/buoy.db", "its folder does not exist"), ("sqlite:.", "it is a folder")] {
        let ended = run(folder.path(), &["serve"], &[("PORT", "0"), ("DATABASE_URL", url)]);
        assert_fails_without(SECRET, &ended, &[&folder.path().display().to_string(), why, "DATABASE_URL"]);
    }
}

#[test]
fn only_serve_migrate_and_import_create_a_database() {
    let folder = folder();
    for arguments in [
        &["export", "out"][..],
        &["backup", "copy.db"],
        &["reconcile"],
        &["key", "list", "--user", "1"],
        &["key", "revoke", "1"],
    ] {
        let ended = run(folder.path(), arguments, &[]);
        let file = folder.path().join("buoy.db").display().to_string();
        assert_fails_without(SECRET, &ended, &["there is no database", &file, "DATABASE_URL", "buoy migrate"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
    assert!(run(folder.path(), &["migrate"], &[]).status.success());
    assert!(run(folder.path(), &["reconcile"], &[]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_names_its_database() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]);
    server.address().await;
    let file = folder.path().join("buoy.db").display().to_string();
    assert!(server.logs().iter().any(|line| line["database"] == file.as_str()), "{:?}", server.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_stops_the_program() {
    let app = TestApp::start(Kind::Sqlite).await;
    let (_, port) = app.base.rsplit_once(':').unwrap();
    let ended = run(folder().path(), &["serve"], &[("PORT", port)]);
    assert_fails_without(SECRET, &ended, &["127.0.0.1", port, "PORT"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_configuration_it_serves_from_a_file_beside_it() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]);
    let address = server.address().await;
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert!(folder.path().join("buoy.db").exists());
    let ready = crate::app::client().get(format!("{address}/ready")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthcheck_tells_by_its_exit_code() {
    let mut app = TestApp::start(Kind::Sqlite).await;
    let (_, port) = app.base.rsplit_once(':').unwrap();
    let port = port.to_owned();
    let check = |arguments: &[&str]| run(app.database.folder(), arguments, &[("PORT", &port)]);
    assert!(check(&["healthcheck"]).status.success());
    assert!(check(&["healthcheck", "--live"]).status.success());
    assert!(check(&["healthcheck", "--url", &app.base]).status.success());
    app.server.kill();
    let ended = run(app.database.folder(), &["healthcheck"], &[("PORT", &port)]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.err.contains(&port), "{ended:?}");
}
