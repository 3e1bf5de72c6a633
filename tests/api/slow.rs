//! Clients that are slow: they are cut off, and nobody else notices them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    app::{TestApp, send},
    common::database::Kind,
    process::PATIENCE,
    raw::Connection,
};

const SLOW_CONNECTIONS: usize = 1_000;
const SECOND: Duration = Duration::from_secs(1);

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("the service listens")
}

/// Sends a byte now and then until the service closes the connection; how long it had.
async fn drip(mut stream: TcpStream, text: &str) -> Duration {
    let begun = Instant::now();
    for byte in text.bytes().cycle() {
        let ended = async {
            let mut buffer = [0; 256];
            while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
        };
        if tokio::time::timeout(Duration::from_millis(300), ended).await.is_ok()
            || stream.write_all(&[byte]).await.is_err()
        {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "still connected");
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_dripping_heads_harm_nobody_and_do_not_last() {
    let app = TestApp::start_with(Kind::Sqlite, &[("HEADER_TIMEOUT_SECONDS", "4")]).await;
    let code = app.url(app.user("ann").await, "https://example.com").await["short_code"].as_str().unwrap().to_owned();
    let streams = join_all((0..SLOW_CONNECTIONS).map(|_| connect(&app))).await;
    let slow = tokio::spawn(join_all(streams.into_iter().map(|stream| drip(stream, "GET / HTTP/1.1\r\nx-slow: "))));
    let mut followed = 0;
    while !slow.is_finished() {
        let begun = Instant::now();
        // A connection of its own each time, as visitors have.
        let request = crate::app::client();
        let answer = send(request.get(format!("{}/{code}", app.base))).await;
        assert_eq!(answer.status, 302, "{answer:?}");
        assert!(begun.elapsed() < 2 * SECOND, "a visitor waited for {:?}", begun.elapsed());
        followed += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(followed > 20, "{followed}");
    let longest = slow.await.unwrap().into_iter().max().unwrap();
    assert!(longest >= 2 * SECOND && longest < 12 * SECOND, "the last one was cut off after {longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_in_is_given_up() {
    let app = TestApp::start_with(Kind::Sqlite, &[("BODY_TIMEOUT_SECONDS", "1")]).await;
    for path in ["/users", "/users/bulk"] {
        let mut stream = connect(&app).await;
        let kind = if path == "/users" { "application/json" } else { "multipart/form-data; boundary=x" };
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let took = drip(stream, "{\"username\": ").await;
        assert!(took < 6 * SECOND, "{path}: {took:?}");
    }
    assert_eq!(app.get("/users").await.json(), serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_reads_is_broken_off() {
    let app = TestApp::start_with(Kind::Sqlite, &[("ANSWER_TIMEOUT_SECONDS", "1")]).await;
    app.database.add_users(200_000).await;
    let mut stream = connect(&app).await;
    stream.write_all(b"GET /users HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    tokio::time::sleep(4 * SECOND).await;
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection ends").ok();
    assert!(!answer.ends_with(b"0\r\n\r\n"), "all of {} bytes came after all", answer.len());
    // Who reads, if only in between, gets everything.
    let mut stream = connect(&app).await;
    stream.write_all(b"GET /users HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 4 * 1024 * 1024];
    let mut end = Vec::new();
    loop {
        let bytes = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        if bytes == 0 {
            break;
        }
        end.extend_from_slice(&buffer[..bytes]);
        end.drain(..end.len().saturating_sub(8));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(end.ends_with(b"0\r\n\r\n"), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_outlasts_the_time_for_a_head() {
    let app = TestApp::start_with(Kind::Sqlite, &[("HEADER_TIMEOUT_SECONDS", "1")]).await;
    let code = app.url(app.user("ann").await, "https://example.com").await["short_code"].as_str().unwrap().to_owned();
    let mut connection = Connection::open(&app).await;
    // From the router, from the database and from memory: the last is answered before anything else is read.
    for (path, status) in [("health", 200), (&code, 302), (&code, 302), ("health", 200)] {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let answer = connection.ask(&format!("GET /{path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    // A head that begins after that has its own time.
    connection.send("GET /health HTTP/1.1\r\n").await;
    let begun = Instant::now();
    assert!(!connection.rest().await.contains(" 200 "));
    assert!(begun.elapsed() < 6 * SECOND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let app = TestApp::start_with(Kind::Sqlite, &[("MAX_CONNECTIONS", "3")]).await;
    let ask = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // The client of the start holds one.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(&app).await;
        assert!(connection.ask(ask).await.starts_with("HTTP/1.1 200"));
        held.push(connection);
    }
    let mut waiting = Connection::open(&app).await;
    assert!(tokio::time::timeout(SECOND, waiting.ask(ask)).await.is_err(), "there is no place");
    drop(held);
    assert!(waiting.ask("").await.starts_with("HTTP/1.1 200"), "there is one now");
}
