//! Slow clients and large heads, with limits that a test can wait for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::routing::{any, post};
use bytes::Bytes;
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::*;

const SHORT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves these routes, with this one limit short; ends with the test's runtime.
async fn start(routes: Router, limit: impl FnOnce(&mut ServerLimits)) -> SocketAddr {
    let mut limits = ServerLimits::new(100);
    limit(&mut limits);
    let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Stop { stopping: CancellationToken::new(), deadline: CancellationToken::new() };
    tokio::spawn(serve(listener, Site::from(routes), stop, limits));
    address
}

fn greeting() -> Router {
    Router::new().route("/", any(|| async { "hello" }))
}

async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little of an answer hides in the client's system.
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends a request; answers what comes until the connection rests for a moment or ends, and whether it ended.
async fn ask(stream: &mut TcpStream, request: &str) -> (String, bool) {
    stream.write_all(request.as_bytes()).await.ok();
    let mut answer = vec![0; 4096];
    let mut length = 0;
    loop {
        match timeout(SHORT / 3, stream.read(&mut answer[length..])).await {
            Ok(Ok(0) | Err(_)) => return (String::from_utf8_lossy(&answer[..length]).into_owned(), true),
            Ok(Ok(bytes)) => length += bytes,
            Err(_) if length > 0 => return (String::from_utf8_lossy(&answer[..length]).into_owned(), false),
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn the_first_head_must_be_complete_in_time_and_idle_connections_stay() {
    let address = start(greeting(), |limits| limits.head = SHORT).await;
    let (mut silent, mut slow, mut good) = (connect(address).await, connect(address).await, connect(address).await);
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let hello = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    assert!(ask(&mut good, hello).await.0.ends_with("hello"));
    let mut rest = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("it is closed").ok();
    timeout(PATIENCE, slow.read_to_end(&mut rest)).await.expect("it is closed").ok();
    sleep(SHORT).await;
    assert!(ask(&mut good, hello).await.0.ends_with("hello"));
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_body_that_pauses_is_given_up() {
    let routes = Router::new().route("/", post(async |body: Result<Bytes, _>| body.map_or("broken", |_| "whole")));
    let address = start(routes, |limits| limits.body = SHORT).await;
    let mut stream = connect(address).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nbeginning";
    let (answer, ended) = timeout(PATIENCE, ask(&mut stream, head)).await.unwrap();
    assert!(answer.ends_with("broken") && ended, "{answer}");
}

#[tokio::test]
async fn an_answer_that_is_not_read_takes_little_memory_and_is_broken_off() {
    let (made, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let body = {
        let (made, alive) = (Arc::clone(&made), Arc::clone(&alive));
        move || {
            let (made, alive) = (Arc::clone(&made), Arc::clone(&alive));
            let pieces = stream::repeat_with(move || {
                let _alive = &alive;
                made.fetch_add(1024, Ordering::Relaxed);
                Ok::<_, Infallible>(Bytes::from_static(&[7; 1024]))
            });
            ready(Body::from_stream(pieces))
        }
    };
    let address = start(Router::new().route("/", any(body)), |limits| limits.answer = SHORT).await;
    let held = Arc::strong_count(&alive);
    let mut stream = connect(address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let changed = async |to: usize| {
        while Arc::strong_count(&alive) != to {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, changed(held + 1)).await.expect("the answer begins");
    timeout(PATIENCE, changed(held)).await.expect("the answer is given up");
    let made = made.load(Ordering::Relaxed);
    assert!(made < 512 * 1024, "{made} bytes were made for a client that reads none");
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_lines() {
    let address = start(greeting(), |_| {}).await;
    let with = |lines: String| format!("GET / HTTP/1.1\r\nhost: x\r\n{lines}\r\n");
    for (lines, status) in [
        ("a: b\r\n".repeat(HEADERS - 1), "200"),
        ("a: b\r\n".repeat(HEADERS), "431"),
        (format!("a: {}\r\n", "b".repeat(BUFFER - 1024)), "200"),
        // What came in one read is read, so a head may have nearly twice as much.
        (format!("a: {}\r\n", "b".repeat(2 * BUFFER)), "431"),
    ] {
        let (answer, _) = ask(&mut connect(address).await, &with(lines)).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
}
