//! `EVENT_RETENTION_DAYS` in a running service, and `buoy reconcile` beside it.

use std::{fs, sync::Arc};

use chrono::{DateTime, Days, Utc};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    common::{
        database::{Database, Kind},
        on_both_databases,
        sums::{assert_clicks_add_up, number},
    },
    process::{Finished, run},
};

on_both_databases!(
    old_clicks_are_deleted_and_what_they_add_up_to_stays,
    reconcile_tells_by_its_exit_code,
    reconcile_leaves_days_alone_whose_clicks_are_gone,
    a_clock_that_is_far_ahead_is_believed_when_told_so,
);

const DAY: i64 = 86_400;
/// Days ago on which link 1 was clicked, at noon; two of them are older than thirty days.
const CLICKED: [u64; 5] = [50, 40, 20, 10, 1];

fn today() -> DateTime<Utc> {
    DateTime::from_timestamp(now().timestamp().div_euclid(DAY) * DAY, 0).unwrap()
}

fn now() -> DateTime<Utc> {
    buoy::domain::Clock::system().now()
}

fn day(ago: u64) -> String {
    (today() - Days::new(ago)).format("%Y-%m-%d").to_string()
}

/// A day as the rollups number it.
fn number_of(ago: u64) -> i64 {
    (today() - Days::new(ago)).timestamp() / DAY
}

fn command(database: &Database, arguments: &[&str]) -> Finished {
    run(database.folder(), arguments, &[("DATABASE_URL", &database.url)])
}

/// A database with a link, its clicks, and the events of its life, taken in by `buoy import`.
async fn with_a_past(kind: Kind) -> Arc<Database> {
    let database = Database::fresh(kind).await;
    let folder = database.folder().join("past");
    fs::create_dir(&folder).unwrap();
    let mut events = format!("id,url_id,user_id,event_type,timestamp\n1,1,1,created,{} 08:00:00\n", day(60));
    events.push_str(&format!("2,1,1,updated,{} 09:00:00\n3,1,,view,{} 09:00:00\n", day(55), day(45)));
    for (id, ago) in (4..).zip(CLICKED) {
        events.push_str(&format!("{id},1,,click,{} 12:00:00\n", day(ago)));
    }
    for (name, content) in [
        ("users.csv", "id,username,email\n1,ann,ann@x.example\n"),
        ("urls.csv", "id,user_id,original_url,short_code\n1,1,https://x.example/1,one\n"),
        ("events.csv", events.as_str()),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    let imported = command(&database, &["import", "past"]);
    assert!(imported.status.success(), "{imported:?}");
    Arc::new(database)
}

/// The service on that database, once it has deleted what is past its time.
async fn pruned(database: &Arc<Database>) -> TestApp {
    let app = TestApp::start_on(database, &[("EVENT_RETENTION_DAYS", "30")]).await;
    app.until("rid of old clicks", || async { app.clicks(&json!(1)).await == 3 }).await;
    app
}

async fn total(app: &TestApp) -> (Value, Value) {
    let stats = app.get(&format!("/urls/1/stats?from={}&to={}&unit=week", day(60), day(0))).await.expect(200);
    let series = stats["series"].as_array().unwrap().iter().map(|bucket| bucket["total"].as_i64().unwrap());
    (stats["total"].clone(), series.sum::<i64>().into())
}

async fn old_clicks_are_deleted_and_what_they_add_up_to_stays(kind: Kind) {
    let database = with_a_past(kind).await;
    let app = pruned(&database).await;
    let events = app.events_of(&json!(1)).await;
    let left: Vec<(i64, &str)> =
        events.iter().map(|event| (event["id"].as_i64().unwrap(), event["event_type"].as_str().unwrap())).collect();
    let expected = [(1, "created"), (2, "updated"), (3, "view"), (6, "click"), (7, "click"), (8, "click")];
    assert_eq!(left, expected, "only clicks go");
    assert_eq!(total(&app).await, (json!(5), json!(5)));
    let since = number(&database, "SELECT value FROM click_state WHERE name = 'kept_since_day'").await;
    assert_eq!(since, number_of(30));
    let logs = app.server.logs();
    let said = logs.iter().find(|line| line["message"] == "deleted click events that are past their time");
    assert_eq!(said.map(|line| &line["clicks"]), Some(&json!(2)), "{logs:?}");
    // New clicks are counted as before.
    assert_eq!(app.get("/one").await.status, 302);
    app.until("counted", || async { total(&app).await.0 == 6 }).await;
    let url = app.get("/urls?include=clicks").await.expect(200);
    assert_eq!(url[0]["clicks"], 6);
    // What was imported once is not taken in again.
    let again = command(&database, &["import", "past"]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(again.err.contains("events.csv:5: timestamp: is of a day whose clicks were deleted"), "{again:?}");
    let again = command(&database, &["import", "--skip-bad", "past"]);
    assert!(again.out.contains("events.csv: 8 rows, 0 created, 6 found, 2 refused"), "{again:?}");
    assert_eq!(total(&app).await.0, 6);
}

async fn reconcile_tells_by_its_exit_code(kind: Kind) {
    let database = with_a_past(kind).await;
    let agrees = |what: &str| {
        let ended = command(&database, &["reconcile"]);
        assert!(ended.status.success() && ended.out.is_empty(), "{what}: {ended:?}");
    };
    agrees("untouched");
    let (ten, twenty) = (number_of(10), number_of(20));
    database.execute(&format!("UPDATE click_days SET people = people + 5 WHERE subject = 1 AND day = {ten}")).await;
    database.execute(&format!("DELETE FROM click_slots WHERE subject = 0 AND slot / 96 = {twenty}")).await;
    let differs = command(&database, &["reconcile"]);
    assert_eq!(differs.status.code(), Some(1), "{differs:?}");
    let lines: Vec<Vec<&str>> = differs.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let (of_day, of_slot) = (day(10), day(20));
    let (of_day, of_slot) = (of_day.as_str(), of_slot.as_str());
    assert!(
        lines.iter().any(|line| line.starts_with(&["link", "1", of_day, "6", "+", "0", "1", "+", "0"])),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with(&["all", of_slot, "12:00", "0", "+", "0", "1"])), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with(&["the", "link's", "total"])), "{lines:?}");
    assert!(differs.err.contains("in 3 places") && differs.err.contains("--fix"), "{differs:?}");
    let json = command(&database, &["reconcile", "--format", "json"]);
    let found: Vec<Value> = json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(found.iter().any(|one| one["held"]["people"] == 6 && one["expected"]["people"] == 1), "{found:?}");
    let fixed = command(&database, &["reconcile", "--fix"]);
    assert!(fixed.status.success() && fixed.out.contains("link 1"), "{fixed:?}");
    agrees("repaired");
    assert_clicks_add_up(&database).await;
}

async fn a_clock_that_is_far_ahead_is_believed_when_told_so(kind: Kind) {
    let database = with_a_past(kind).await;
    // As if the clock had leapt: the last time was a hundred days ago.
    let last = format!("INSERT INTO click_state (name, value) VALUES ('swept_on_day', {})", number_of(100));
    database.execute(&last).await;
    let app = TestApp::start_on(&database, &[("EVENT_RETENTION_DAYS", "30")]).await;
    let said = |line: &Value| line["message"].as_str().is_some_and(|message| message.contains("buoy sweep --catch-up"));
    app.until("warned", || async { app.server.logs().iter().any(said) }).await;
    assert_eq!(app.clicks(&json!(1)).await, 5);
    let sweep = |arguments: &[&str]| {
        let variables = [("DATABASE_URL", database.url.as_str()), ("EVENT_RETENTION_DAYS", "30")];
        run(database.folder(), &[&["sweep"], arguments].concat(), &variables)
    };
    let held_back = sweep(&[]);
    assert!(held_back.status.code() == Some(1) && held_back.err.contains("100 days beyond"), "{held_back:?}");
    assert_eq!(app.clicks(&json!(1)).await, 5);
    let swept = sweep(&["--catch-up"]);
    assert!(swept.status.success() && swept.out.contains("deleted 2 click events"), "{swept:?}");
    assert_eq!(app.clicks(&json!(1)).await, 3);
}

async fn reconcile_leaves_days_alone_whose_clicks_are_gone(kind: Kind) {
    let database = with_a_past(kind).await;
    // Beside a service that goes on.
    let app = pruned(&database).await;
    let old = number_of(40);
    let is_old = format!("subject = 1 AND slot / 96 = {old}");
    database.execute(&format!("UPDATE click_slots SET people = 77 WHERE {is_old}")).await;
    for arguments in [&["reconcile"][..], &["reconcile", "--fix"]] {
        let ended = command(&database, arguments);
        assert!(ended.status.success() && ended.out.is_empty(), "{ended:?}");
    }
    assert_eq!(number(&database, &format!("SELECT people FROM click_slots WHERE {is_old}")).await, 77);
    database.execute(&format!("DELETE FROM click_days WHERE day = {}", number_of(1))).await;
    let fixed = command(&database, &["reconcile", "--fix"]);
    assert!(fixed.status.success() && fixed.out.contains(&day(1)) && !fixed.out.contains(&day(40)), "{fixed:?}");
    assert_eq!(number(&database, &format!("SELECT people FROM click_slots WHERE {is_old}")).await, 77);
    assert_eq!(total(&app).await.0, 5);
}
