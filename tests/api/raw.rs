//! Bytes on a plain connection: what no HTTP client would send.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    app::TestApp,
    common::{database::Kind, on_both_databases},
    process::PATIENCE,
};

on_both_databases!(clients_that_leave);

/// A plain connection to the service.
#[derive(Debug)]
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn open(app: &TestApp) -> Self {
        Self(TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("the service listens"))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The service may have closed already: what it answered shows.
        self.0.write_all(bytes.as_ref()).await.ok();
    }

    /// Sends a request and reads until the end of its answer's head, and of a body that came with it.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request).await;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !complete(&answer) {
            match tokio::time::timeout(PATIENCE, self.0.read(&mut buffer)).await.expect("an answer comes in time") {
                Ok(0) | Err(_) => break,
                Ok(bytes) => answer.extend_from_slice(&buffer[..bytes]),
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Everything that still comes before the service closes the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        // A reset is an end as well.
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut answer)).await.expect("the connection ends").ok();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    body.len() >= length.trim().parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_http() {
    let app = TestApp::start(Kind::Sqlite).await;
    let noise: Vec<u8> = (0..20_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [
        b"\0\0\0\0\0\0\0\0\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"hello\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        noise,
    ] {
        let mut connection = Connection::open(&app).await;
        let answer = connection.ask(&bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(app.get("/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_requests() {
    let app = TestApp::start(Kind::Sqlite).await;
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "x".repeat(1_000_000));
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(100_000));
    let requests = [
        ("GET /%zz%ff HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("GET /\u{fc} HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("GET /a b HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        ("GET /\0 HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        ("GET //evil.example/x HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("GET http://localhost/health HTTP/1.1\r\nhost: localhost\r\n\r\n", "200"),
        ("GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n", "400"),
        ("CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        ("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", "404"),
        ("GET /users HTTP/1.1\r\n\r\n", "400"),
        ("GET /users HTTP/1.0\r\n\r\n", "200"),
        ("POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-length: abc\r\n\r\n", "400"),
        ("POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n", "400"),
        ("POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", "400"),
        ("POST /users HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "400"),
        ("GET /users HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n", "400"),
        (large.as_str(), "431"),
        (long.as_str(), "431"),
    ];
    let mut wrong = Vec::new();
    for (request, expected) in requests {
        let answer = Connection::open(&app).await.ask(request).await;
        let status = answer.split(' ').nth(1).unwrap_or("none");
        if status != expected {
            wrong.push(format!("{:?}: {answer}", &request[..request.len().min(80)]));
        }
        assert!(!answer.to_ascii_lowercase().contains("\r\nserver:"), "{answer}");
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(app.get("/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_with_bytes_that_no_uri_may_hold() {
    let app = TestApp::start(Kind::Sqlite).await;
    let url = app.url(app.user("ann").await, "https://example.com").await;
    let code = url["short_code"].as_str().unwrap();
    let mut connection = Connection::open(&app).await;
    for query in [&b"x=\"a\""[..], b"x=<b>", b"x=M\xfcller", "x=\u{fc}".as_bytes(), b"x=%3Cb%3E"] {
        let ask =
            |path: &str| [format!("GET {path}?").as_bytes(), query, b" HTTP/1.1\r\nhost: localhost\r\n\r\n"].concat();
        // From the database, then from the cache.
        for _ in 0..2 {
            let answer = connection.ask(ask(&format!("/{code}"))).await;
            assert!(answer.starts_with("HTTP/1.1 302"), "{query:?}: {answer}");
        }
        let (status, code) = if query.is_ascii() && query[2] == b'%' || query[2..] == *"\u{fc}".as_bytes() {
            ("422", "invalid_fields")
        } else {
            ("400", "malformed_target")
        };
        let answer = connection.ask(ask("/users")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(code), "{query:?}: {answer}");
    }
    assert_eq!(app.clicks(&url["id"]).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_a_row_on_one_connection() {
    let app = TestApp::start(Kind::Sqlite).await;
    let mut connection = Connection::open(&app).await;
    for _ in 0..3 {
        let answer = connection.ask("GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    // Sent without waiting for the answers.
    connection
        .send(
            "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n\
             GET /users HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )
        .await;
    let answers = connection.rest().await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
}

async fn clients_that_leave(kind: Kind) {
    let app = TestApp::start(kind).await;
    let body = json!({"username": "ann", "email": "ann@example.com"}).to_string();
    for cut in [0, 10, body.len() - 1] {
        let mut connection = Connection::open(&app).await;
        let head = "POST /users HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        connection.send(&format!("{head}content-length: {}\r\n\r\n{}", body.len(), &body[..cut])).await;
        drop(connection);
    }
    for part in ["", "G", "GET /users HTTP/1.1\r\n", "GET /users HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        let mut connection = Connection::open(&app).await;
        connection.send(part).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(app.get("/users").await.expect(200), json!([]), "nothing is made of half a request");
}
