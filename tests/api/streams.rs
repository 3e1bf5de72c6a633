//! Complete lists of many rows: what they cost, and how they end when the database fails.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::{
    app::TestApp,
    common::{database::Kind, on_both_databases},
    raw::Connection,
};

on_both_databases!(
    a_list_that_fails_on_the_way_is_never_closed,
    a_slow_reader_costs_no_memory,
    changes_meanwhile_break_no_list
);

/// The slow reader rests after so many bytes.
const SLOW_STEP: usize = 1024 * 1024;

/// What the process may hold at most, in KiB: less than the list.
const MEMORY: u64 = 64 * 1024;

async fn a_list_that_fails_on_the_way_is_never_closed(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.add_users(1).await;
    app.database.add_urls(50_000).await;
    let response = app.request(reqwest::Method::GET, "/urls").send().await.expect("the list begins");
    assert_eq!(response.status(), 200);
    let mut pieces = response.bytes_stream();
    let mut text = pieces.next().await.expect("the first rows come").expect("they are whole").to_vec();
    app.database.execute("ALTER TABLE urls RENAME TO urls_elsewhere").await;
    let mut failed = false;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => text.extend_from_slice(&piece),
            Err(_) => failed = true,
        }
    }
    assert!(failed, "the client sees that the list is not whole");
    assert!(serde_json::from_slice::<Value>(&text).is_err(), "what came is no array");
    app.until("logged", || async { app.server.lines().iter().any(|line| line.contains("broke off")) }).await;
    assert_eq!(app.get("/health").await.status, 200);
}

async fn a_slow_reader_costs_no_memory(kind: Kind) {
    const ROWS: u32 = 12_000;
    const TARGET: usize = 8_000;
    let app = TestApp::start(kind).await;
    app.database.add_users(1).await;
    app.database.add_urls(ROWS).await;
    let long = format!("UPDATE urls SET original_url = 'https://example.com/{}'", "x".repeat(TARGET));
    app.database.execute(&long).await;
    // Two readers that stop in the middle, and hold nothing in the database.
    let mut stopped = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(&app).await;
        connection.send("GET /urls HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        stopped.push(connection);
    }
    let mut pieces = app.request(reqwest::Method::GET, "/urls").send().await.unwrap().bytes_stream();
    let (mut bytes, mut end) = (0, Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap_or_else(|_| panic!("the list is not whole"));
        // A reader that is slower than the database.
        if bytes / SLOW_STEP < (bytes + piece.len()) / SLOW_STEP {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bytes += piece.len();
        end.extend_from_slice(&piece);
        end.drain(..end.len().saturating_sub(TARGET + 1_000));
    }
    let end = String::from_utf8_lossy(&end);
    assert!(end.ends_with("}]") && end.contains(&format!("\"id\":{ROWS},")), "{end}");
    assert!(bytes > ROWS as usize * TARGET, "{bytes} bytes");
    if kind == Kind::Postgres {
        // A lock on the whole table is granted immediately.
        app.database.execute("SET lock_timeout = '2s'; BEGIN; LOCK TABLE urls IN ACCESS EXCLUSIVE MODE; COMMIT").await;
    }
    let peak = app.server.peak_memory();
    assert!(peak < MEMORY, "{peak} KiB");
    drop(stopped);
}

async fn changes_meanwhile_break_no_list(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.database.add_users(1).await;
    app.database.add_urls(30_000).await;
    let mut pieces = app.request(reqwest::Method::GET, "/urls").send().await.unwrap().bytes_stream();
    let mut text = pieces.next().await.unwrap().unwrap().to_vec();
    app.database.execute("DELETE FROM urls WHERE id % 2 = 0 AND id > 25000").await;
    app.url(1, "https://example.com/new").await;
    while let Some(piece) = pieces.next().await {
        text.extend_from_slice(&piece.expect("the list is whole"));
    }
    let list: Vec<Value> = serde_json::from_slice(&text).expect("it is an array");
    assert!(list.is_sorted_by(|one, next| one["id"].as_i64() < next["id"].as_i64()), "each row once, in order");
    assert!(list.iter().filter(|url| url["id"].as_i64() <= Some(25_000)).count() == 25_000, "what stayed is there");
}
