//! Clients that are slow or hold connections for nothing: they are cut off, and no other client notices them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    app::{TestApp, send},
    common::database::Kind,
    process::PATIENCE,
    raw::Connection,
};

const SLOW_CONNECTIONS: u32 = 1_000;
/// Connections of one client among them.
const OF_CLIENT: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// A connection from this address of the machine.
async fn connect(app: &TestApp, from: [u8; 4]) -> TcpStream {
    let address: SocketAddr = app.base.trim_start_matches("http://").parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).expect("all of 127.0.0.0/8 is this machine");
    socket.connect(address).await.expect("the service listens")
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
        assert!(begun.elapsed() < 2 * PATIENCE, "still connected");
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_dripping_heads_harm_no_visitor_and_do_not_last() {
    let app = TestApp::start_with(Kind::Sqlite, &[]).await;
    let code = app.url(app.user("ann").await, "https://example.com").await["short_code"].as_str().unwrap().to_owned();
    let client = |nth: u32| [127, 1, 0, (nth / OF_CLIENT + 1) as u8];
    let streams = join_all((0..SLOW_CONNECTIONS).map(|nth| connect(&app, client(nth)))).await;
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
    assert!(longest < 18 * SECOND, "the last one was cut off after {longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_in_is_given_up() {
    let variables = [("REQUEST_TIMEOUT_SECONDS", "1"), ("BULK_TIMEOUT_SECONDS", "1")];
    let app = TestApp::start_with(Kind::Sqlite, &variables).await;
    for path in ["/users", "/users/bulk"] {
        let mut stream = connect(&app, [127, 0, 0, 1]).await;
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
async fn a_list_keeps_its_permit_until_it_is_sent() {
    let app = TestApp::start_with(Kind::Sqlite, &[("MAX_CONCURRENT_REQUESTS", "1")]).await;
    app.database.add_users(50_000).await;
    let mut list = app.request(reqwest::Method::GET, "/users").send().await.unwrap();
    assert_eq!(list.status(), 200);
    app.get("/users/1").await.problem(503, "overloaded");
    assert_eq!(app.get("/health").await.status, 200);
    while list.chunk().await.unwrap().is_some() {}
    app.get("/users/1").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_bound_the_longest_idle_connection_is_closed() {
    let app = TestApp::start_with(Kind::Sqlite, &[("MAX_CONNECTIONS", "3")]).await;
    let ask = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // The client of the start holds the third, and used it before these.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(&app).await;
        assert!(connection.ask(ask).await.starts_with("HTTP/1.1 200"));
        held.push(connection);
    }
    let mut next = Connection::open(&app).await;
    assert!(next.ask(ask).await.starts_with("HTTP/1.1 200"));
    let mut another = Connection::open(&app).await;
    assert!(another.ask(ask).await.starts_with("HTTP/1.1 200"));
    assert_eq!(held[0].rest().await, "");
    assert!(held[1].ask(ask).await.starts_with("HTTP/1.1 200"), "it was used later");
}
