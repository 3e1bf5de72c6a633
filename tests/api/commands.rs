//! What commands print: to people, to programs, and to a reader that goes.

use std::{fs, os::unix::fs::MetadataExt as _};

use serde_json::{Value, json};

use crate::{
    app::TestApp,
    common::database::{Database, Kind},
    process::{Finished, run, run_unread},
};

/// Every command, as `--help` is asked of it.
const COMMANDS: [&[&str]; 20] = [
    &[],
    &["serve"],
    &["migrate"],
    &["import"],
    &["export"],
    &["reconcile"],
    &["sweep"],
    &["key"],
    &["key", "create"],
    &["key", "list"],
    &["key", "revoke"],
    &["user"],
    &["user", "create"],
    &["backup"],
    &["restore"],
    &["healthcheck"],
    &["doctor"],
    &["config"],
    &["completions"],
    &["man"],
];

/// The columns at which help is wrapped if there is no terminal.
const WIDTH: usize = 100;

fn succeeds(ended: Finished) -> Finished {
    assert!(ended.status.success(), "{ended:?}");
    ended
}

async fn database() -> Database {
    let database = Database::fresh(Kind::Sqlite).await;
    database.add_users(1).await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_ends_every_command_quietly() {
    let database = database().await;
    let folder = database.folder();
    let key = ["key", "create", "--user", "1", "--name", "x", "--scope", "stats:read"];
    succeeds(run(folder, &key, &[]));
    fs::write(folder.join("new.csv"), "username,email\nbob,bob@x.example\n").unwrap();
    database.execute("INSERT INTO click_days (subject, day, people, bots, uniques) VALUES (0, 20000, 1, 0, 1)").await;
    for arguments in [
        &["config"][..],
        &["config", "--markdown"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
        &["doctor"],
        &["doctor", "--json"],
        &["key", "list", "--user", "1"],
        &key,
        &["key", "revoke", "1"],
        &["user", "create", "--username", "ann", "--email", "ann@x.example"],
        &["import", "new.csv"],
        &["export", "out"],
        &["backup", "copy.db"],
        &["restore", "copy.db"],
        &["man", "pages"],
        &["reconcile"],
        &["sweep"],
    ] {
        let (status, said) = run_unread(folder, arguments, &[]);
        assert_eq!(status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked") && !said.to_lowercase().contains("pipe"), "{arguments:?}: {said}");
    }
}

#[test]
fn help_is_wrapped_once() {
    let folder = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        let help = succeeds(run(folder.path(), &[command, &["--help"]].concat(), &[])).out;
        let lines: Vec<&str> = help.lines().collect();
        for (line, next) in lines.iter().zip(&lines[1..]) {
            assert!(line.chars().count() <= WIDTH, "{command:?}: {line}");
            // A line of prose that ends early, though the first word of the next one had room, was wrapped twice.
            let is_prose = |line: &str| line.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_lowercase());
            let word = next.split(' ').next().unwrap_or_default();
            let has_room = line.chars().count() + 1 + word.chars().count() <= WIDTH;
            assert!(!(is_prose(line) && is_prose(next) && has_room), "{command:?}: {line:?} {next:?}");
        }
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(run(folder.path(), &["man", "man1"], &[]));
    for command in COMMANDS.iter().map(|words| [&["buoy"], *words].concat().join("-")) {
        let page = fs::read_to_string(folder.path().join(format!("man1/{command}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH NAME"), "{command}");
    }
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = run(folder.path(), &["man", "file/man1"], &[]);
    assert!(!refused.status.success() && refused.err.contains("cannot write to file/man1"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_created_from_a_shell() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let database = Database::fresh(kind).await;
        let create = |arguments: &[&str]| {
            let all = [&["user", "create"], arguments].concat();
            run(database.folder(), &all, &[("DATABASE_URL", &database.url)])
        };
        let made = succeeds(create(&["--username", "ann", "--email", "ann@x.example"]));
        assert_eq!(made.out, "1\n");
        let made = succeeds(create(&["--username", "bob", "--email", "bob@x.example", "--json"]));
        let user: Value = serde_json::from_str(&made.out).unwrap();
        assert_eq!((&user["username"], &user["email"]), (&json!("bob"), &json!("bob@x.example")));
        for (arguments, said) in [
            (["--username", "ann", "--email", "new@x.example"], "another user has the name ann: choose another one"),
            (["--username", "new", "--email", "ann@x.example"], "another user has the address ann@x.example"),
            (["--username", " ann", "--email", "new@x.example"], "must not begin or end with white space"),
        ] {
            let refused = create(&arguments);
            assert!(!refused.status.success() && refused.err.contains(said), "{refused:?}");
        }
        let app = TestApp::start_on(&database.into(), &[]).await;
        assert_eq!(app.get("/users?count=true").await.header("x-total-count"), Some("2"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_says_what_to_do_about_reasons_that_repeat() {
    let database = database().await;
    let folder = database.folder();
    let import = |content: &str, arguments: &[&str]| {
        fs::write(folder.join("x.csv"), content).unwrap();
        run(folder, &[&["import", "x.csv"], arguments].concat(), &[])
    };
    let links =
        "user_id,original_url\n7,https://x.example\n8,https://x.example\n1,http://localhost\n1,http://127.0.0.1\n";
    let refused = import(links, &[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    for said in [
        "2 rows: user_id names no user. Import the file of users too, in the same command or before.",
        "2 rows: original_url leads to a private, loopback or reserved address. ALLOW_PRIVATE_TARGETS=true takes such",
        "4 of 4 rows were refused, so nothing was imported; --skip-bad keeps the others",
    ] {
        assert!(refused.err.contains(said), "{said}: {refused:?}");
    }
    let nothing = import(links, &["--skip-bad"]);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(nothing.err.contains("all 4 rows were refused, so nothing was imported"), "{nothing:?}");
    let some = succeeds(import(&format!("{links}1,https://x.example\n"), &["--skip-bad"]));
    assert_eq!(some.out, "x.csv: 5 rows, 1 created, 0 found, 4 refused\n");
    let empty = succeeds(import("user_id,original_url\n", &[]));
    assert_eq!(empty.out, "x.csv: no row of data follows the header\n");
}

#[test]
fn a_database_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(run(folder.path(), &["migrate"], &[]));
    assert_eq!(fs::metadata(folder.path().join("buoy.db")).unwrap().mode() & 0o777, 0o600);
}
