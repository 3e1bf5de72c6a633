//! `buoy restore`: a backup in place of the embedded database.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, sync::Arc};

use serde_json::json;

use crate::{
    app::TestApp,
    common::database::{Database, Kind},
    process::{Finished, run},
};

/// A service with a user and one link of the code `old`, and its backup `monday.db`, after which the link `new` was made.
async fn backed_up() -> TestApp {
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    link(&app, user, "old").await;
    let made = command(&app.database, &["backup", "monday.db"]);
    assert!(made.status.success(), "{made:?}");
    link(&app, user, "new").await;
    app
}

async fn link(app: &TestApp, user: i64, code: &str) {
    let body = json!({"user_id": user, "original_url": "https://example.com", "short_code": code});
    app.post("/urls", &body).await.expect(201);
}

fn command(database: &Database, arguments: &[&str]) -> Finished {
    run(database.folder(), arguments, &[("DATABASE_URL", &database.url)])
}

fn assert_refused(ended: &Finished, said: &str) {
    assert!(!ended.status.success() && ended.err.contains(said), "{said}: {ended:?}");
}

fn left(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_restored_after_a_kill() {
    let mut app = backed_up().await;
    let folder = app.database.folder().to_owned();
    app.server.kill();
    assert!(fs::metadata(folder.join("buoy.db-wal")).unwrap().len() > 0, "the killed service left a log");
    let restored = command(&app.database, &["restore", "monday.db"]);
    assert!(restored.status.success(), "{restored:?}");
    assert!(restored.out.ends_with("/buoy.db is monday.db now: 1 users, 1 links, 1 events\n"), "{restored:?}");
    assert_eq!(left(&folder), ["buoy.db", "monday.db"], "nothing of the old database is left");
    assert_eq!(fs::metadata(folder.join("buoy.db")).unwrap().mode() & 0o777, 0o600);
    let again = TestApp::start_on(&app.database, &[]).await;
    assert_eq!((again.get("/old").await.status, again.get("/new").await.status), (302, 404));
    link(&again, 1, "newer").await;
    assert_eq!(again.get("/urls?count=true").await.header("x-total-count"), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_served_is_left_alone() {
    let app = backed_up().await;
    assert_refused(&command(&app.database, &["restore", "monday.db"]), "is in use: stop the service, then restore");
    assert_eq!((app.get("/old").await.status, app.get("/new").await.status), (302, 302));
    link(&app, 1, "newer").await;
    assert_eq!(left(app.database.folder()), ["buoy.db", "buoy.db-shm", "buoy.db-wal", "monday.db"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_backup_changes_nothing() {
    let mut app = backed_up().await;
    app.server.kill();
    let folder = app.database.folder();
    let good = fs::read(folder.join("monday.db")).unwrap();
    let mut damaged = good.clone();
    damaged[4_096..20_480].fill(0xee);
    fs::write(folder.join("damaged.db"), damaged).unwrap();
    fs::write(folder.join("cut.db"), &good[..good.len() / 2]).unwrap();
    fs::write(folder.join("text.db"), "no database".repeat(1_000)).unwrap();
    fs::write(folder.join("empty.db"), "").unwrap();
    fs::write(folder.join("live.db"), &good).unwrap();
    fs::write(folder.join("live.db-wal"), "a log").unwrap();
    for (file, said) in [
        ("damaged.db", "damaged.db cannot be restored: it is "),
        ("cut.db", "cut.db cannot be restored: it is "),
        ("text.db", "text.db cannot be restored: it is no SQLite database, or damaged"),
        ("empty.db", "empty.db cannot be restored: it is no database of buoy's"),
        ("live.db", "live.db has a write-ahead log beside it"),
        ("buoy.db", "buoy.db is the database itself"),
        ("none.db", "none.db: No such file"),
    ] {
        assert_refused(&command(&app.database, &["restore", file]), said);
    }
    assert_eq!(left(folder).iter().filter(|name| name.contains("restoring")).count(), 0);
    let again = TestApp::start_on(&app.database, &[]).await;
    assert_eq!((again.get("/old").await.status, again.get("/new").await.status), (302, 302));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_restored_where_there_is_no_database_or_a_ruined_one() {
    let mut app = backed_up().await;
    app.server.kill();
    let other = Arc::new(Database::empty(Kind::Sqlite).await);
    let backup = app.database.folder().join("monday.db").display().to_string();
    let restored = command(&other, &["restore", &backup]);
    assert!(restored.status.success(), "{restored:?}");
    for name in ["buoy.db", "buoy.db-wal", "buoy.db-journal"] {
        fs::write(other.folder().join(name), "ruined".repeat(1_000)).unwrap();
    }
    let restored = command(&other, &["restore", &backup]);
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(left(other.folder()), ["buoy.db"]);
    let served = TestApp::start_on(&other, &[]).await;
    assert_eq!(served.get("/old").await.status, 302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_restored_by_its_own_program() {
    let database = Database::fresh(Kind::Postgres).await;
    fs::write(database.folder().join("monday.db"), "").unwrap();
    assert_refused(&command(&database, &["restore", "monday.db"]), "`pg_restore`");
}
