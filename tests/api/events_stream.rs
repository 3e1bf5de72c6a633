//! `GET /events/stream` and `buoy events --follow`.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Duration,
};

use buoy::feed::MAX_STREAMS;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use crate::{
    access::{ADMIN, Guarded},
    app::{TestApp, send},
    common::{database::Kind, on_both_databases},
    process::{PATIENCE, buoy},
};

on_both_databases!(
    events_are_told_as_they_happen,
    a_client_that_comes_back_misses_nothing,
    filters_choose_what_is_told,
    a_key_is_told_of_its_own_until_it_is_revoked,
    what_retention_deleted_is_a_gap,
);

/// A client of a stream.
struct Client {
    response: Response,
    text: String,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    id: Option<i64>,
    event: String,
    data: Value,
}

impl Client {
    async fn open(app: &TestApp, query: &str) -> Self {
        Self::of(app.request(Method::GET, &format!("/events/stream{query}")).send().await.unwrap())
    }

    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    /// The next block, a message or a comment; none at the end.
    async fn block(&mut self, patience: Duration) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let piece = timeout(patience, self.response.chunk()).await.expect("something comes in time");
            self.text.push_str(std::str::from_utf8(&piece.ok().flatten()?).unwrap());
        }
    }

    /// The next message; none at the end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let block = self.block(PATIENCE).await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let Some(data) = field("data: ") else { continue };
            return Some(Message {
                id: field("id: ").map(|id| id.parse().unwrap()),
                event: field("event: ").unwrap().to_owned(),
                data: serde_json::from_str(data).unwrap(),
            });
        }
    }

    /// The types of the next messages.
    async fn types(&mut self, count: usize) -> Vec<String> {
        let mut types = Vec::new();
        for _ in 0..count {
            types.push(self.next().await.expect("the stream goes on").event);
        }
        types
    }
}

async fn events_are_told_as_they_happen(kind: Kind) {
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    app.url(user, "https://example.com/before").await;
    let mut client = Client::open(&app, "").await;
    let header = |name: &str| client.response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!((header("cache-control"), header("x-accel-buffering")), ("no-store, no-transform".into(), "no".into()));
    let url = app.url(user, "https://example.com/after").await;
    let created = client.next().await.unwrap();
    let stored = app.events_of(&url["id"]).await.remove(0);
    assert_eq!((created.id, created.event.as_str(), &created.data), (stored["id"].as_i64(), "created", &stored));
    assert_eq!(app.get(&format!("/{}", url["short_code"].as_str().unwrap())).await.status, 302);
    let body = json!({"event_type": "a note", "url_id": url["id"], "details": {"a": "\n"}});
    let click = client.next().await.unwrap();
    assert_eq!((click.event.as_str(), &click.data["url_id"]), ("click", &url["id"]));
    let note = app.post("/events", &body).await.expect(201);
    assert_eq!(client.next().await.unwrap().data, note);
    assert_eq!(app.metric("buoy_streams").await, 1.0);
    drop(client);
    app.until("closed", || async { app.metric("buoy_streams").await == 0.0 }).await;
}

async fn a_client_that_comes_back_misses_nothing(kind: Kind) {
    const NOTES: i64 = 1_100;
    let app = TestApp::start(kind).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await["id"].clone();
    // More than a page of what was missed.
    let rows = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {NOTES}) \
         INSERT INTO events (url_id, event_type, timestamp, details) \
         SELECT {url}, 'note', '2026-05-01T00:00:00+00:00', '{{}}' FROM n"
    );
    app.database.execute(&rows).await;
    let mut all = Client::open(&app, "?after=0").await;
    assert_eq!(all.next().await.unwrap().event, "created");
    let mut last = 1;
    for _ in 0..NOTES {
        let id = all.next().await.unwrap().id.unwrap();
        assert!(id > last, "{id} after {last}");
        last = id;
    }
    // The header wins, as a browser sends both when it comes back.
    let back = app.request(Method::GET, "/events/stream?after=0").header("last-event-id", (last - 2).to_string());
    let mut back = Client::of(back.send().await.unwrap());
    assert_eq!([back.next().await.unwrap().id, back.next().await.unwrap().id], [Some(last - 1), Some(last)]);
    app.post("/events", &json!({"event_type": "live", "url_id": url})).await.expect(201);
    assert_eq!((back.types(1).await, all.types(1).await), (vec!["live".to_owned()], vec!["live".to_owned()]));
    // Whichever replica it comes back to; SQLite has one process.
    if kind == Kind::Postgres {
        let other = TestApp::start_on(&app.database, &[]).await;
        let mut moved = Client::open(&other, &format!("?after={last}")).await;
        assert_eq!(moved.types(1).await, ["live"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_none_is_refused() {
    let app = TestApp::start(Kind::Sqlite).await;
    for (query, field) in [("?after=-1", "after"), ("?after=x", "after"), ("?afer=1", "afer"), ("?page=1", "page")] {
        assert_eq!(app.get(&format!("/events/stream{query}")).await.refused_fields(), [field], "{query}");
    }
    let bad = send(app.request(Method::GET, "/events/stream").header("last-event-id", "x")).await;
    assert_eq!(bad.refused_fields(), ["Last-Event-ID"]);
}

async fn filters_choose_what_is_told(kind: Kind) {
    let app = TestApp::start(kind).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let url = app.url(ann, "https://example.com").await["id"].clone();
    let mut by_type = Client::open(&app, "?event_type=note").await;
    let mut by_user = Client::open(&app, &format!("?user_id={bob}&after=0")).await;
    let mut by_time = Client::open(&app, "?timestamp_after=2100-01-01T00:00:00Z").await;
    let mut by_url = Client::open(&app, &format!("?url_id={url}&after=0")).await;
    app.url(bob, "https://example.com").await;
    app.post("/events", &json!({"event_type": "note", "url_id": url})).await.expect(201);
    app.post("/events", &json!({"event_type": "mine", "url_id": url, "user_id": bob})).await.expect(201);
    app.post("/events", &json!({"event_type": "note", "url_id": url, "user_id": ann})).await.expect(201);
    assert_eq!(by_type.types(2).await, ["note", "note"]);
    assert_eq!(by_user.types(2).await, ["created", "mine"]);
    assert_eq!(by_url.types(4).await, ["created", "note", "mine", "note"]);
    let silence = timeout(Duration::from_millis(600), by_time.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

async fn a_key_is_told_of_its_own_until_it_is_revoked(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let app = &guarded.app;
    let (id, key) = guarded.key(guarded.ann, &["links:read"]).await;
    let open = async |query: &str| {
        let request = app.request(Method::GET, &format!("/events/stream{query}")).bearer_auth(&key);
        Client::of(request.send().await.unwrap())
    };
    let (mut live, mut resumed) = (open("").await, open("?after=0").await);
    let link = async |owner: i64| {
        let body = json!({"user_id": owner, "original_url": "https://example.com"});
        app.ask(ADMIN, Method::POST, "/urls", Some(&body)).await.expect(201)["id"].clone()
    };
    assert_eq!(resumed.next().await.unwrap().event, "created");
    let (bobs, anns) = (link(guarded.bob).await, link(guarded.ann).await);
    for url in [&bobs, &anns] {
        let body = json!({"event_type": "note", "url_id": url});
        app.ask(ADMIN, Method::POST, "/events", Some(&body)).await.expect(201);
    }
    for client in [&mut live, &mut resumed] {
        for event in ["created", "note"] {
            let told = client.next().await.unwrap();
            assert_eq!((told.event.as_str(), &told.data["url_id"]), (event, &anns));
        }
    }
    let path = format!("/users/{}/keys/{id}", guarded.ann);
    assert_eq!(app.ask(ADMIN, Method::DELETE, &path, None).await.status, 204);
    tokio::time::sleep(Duration::from_secs(1)).await;
    link(guarded.ann).await;
    assert_eq!((live.next().await, resumed.next().await), (None, None));
    send(app.request(Method::GET, "/events/stream")).await.problem(401, "credentials_required");
}

async fn what_retention_deleted_is_a_gap(kind: Kind) {
    let app = TestApp::start_with(kind, &[("EVENT_RETENTION_DAYS", "30")]).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await["id"].clone();
    // As the sweep of an earlier year would have left it.
    app.database.execute("INSERT INTO click_state (name, value) VALUES ('kept_since_day', 30000)").await;
    let gap = Client::open(&app, "?after=1").await.next().await.unwrap();
    assert_eq!((gap.id, gap.event.as_str()), (None, "gap"));
    assert_eq!(gap.data, json!({"after": 1, "kept_since": "2052-02-20T00:00:00Z"}));
    // Other events are kept for ever.
    let mut notes = Client::open(&app, "?after=1&event_type=note").await;
    app.post("/events", &json!({"event_type": "note", "url_id": url})).await.expect(201);
    assert_eq!(notes.types(1).await, ["note"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_committed_late_is_told_first() {
    let app = TestApp::start(Kind::Postgres).await;
    let user = app.user("ann").await;
    let url = app.url(user, "https://example.com").await["id"].clone();
    let mut client = Client::open(&app, "").await;
    let mut late = PgConnection::connect(&app.database.url).await.unwrap();
    let write = "BEGIN; INSERT INTO events (url_id, event_type, timestamp, details) VALUES (1, 'late', now(), '{}')";
    sqlx::raw_sql(write).execute(&mut late).await.unwrap();
    let early = app.post("/events", &json!({"event_type": "early", "url_id": url})).await.expect(201);
    // Longer than several looks at the ledger.
    let silence = timeout(Duration::from_millis(1_000), client.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    sqlx::raw_sql("COMMIT").execute(&mut late).await.unwrap();
    let first = client.next().await.unwrap();
    assert_eq!((first.event.as_str(), first.id < early["id"].as_i64()), ("late", true));
    assert_eq!(client.next().await.unwrap().data, early);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_bounded_and_say_goodbye_in_the_drain() {
    let mut app = TestApp::start_with(Kind::Sqlite, &[("SHUTDOWN_DRAIN_SECONDS", "0")]).await;
    let mut clients = Vec::new();
    for _ in 0..MAX_STREAMS {
        clients.push(Client::open(&app, "").await);
    }
    let refused = app.get("/events/stream").await;
    refused.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("2"));
    drop(clients.pop());
    app.until("free", || async { app.request(Method::GET, "/events/stream").send().await.unwrap().status() == 200 })
        .await;
    app.server.signal("TERM");
    for client in &mut clients {
        assert_eq!(client.next().await.map(|message| message.event).as_deref(), Some("bye"));
        assert_eq!(client.next().await, None);
    }
    assert!(app.server.wait(PATIENCE).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_is_kept_alive() {
    let app = TestApp::start(Kind::Sqlite).await;
    let mut client = Client::open(&app, "").await;
    assert_eq!(client.block(PATIENCE).await.as_deref(), Some("retry: 1000"));
    assert_eq!(client.block(2 * PATIENCE).await.as_deref(), Some(": ping"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_are_cut_off_and_harm_no_other() {
    const SLOW: usize = 20;
    const EVENTS: usize = 4_000;
    let app = TestApp::start(Kind::Sqlite).await;
    let user = app.user("ann").await;
    app.url(user, "https://example.com").await;
    // They read the head and nothing more.
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        slow.push(Client::open(&app, "").await);
    }
    let mut quick = Client::open(&app, "").await;
    let told = tokio::spawn(async move {
        for _ in 0..EVENTS {
            quick.next().await.expect("a client that reads is not cut off");
        }
    });
    let details = format!("{{\"a\":\"{}\"}}", "x".repeat(8_000));
    for _ in 0..EVENTS / 100 {
        let rows = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) \
             INSERT INTO events (url_id, event_type, timestamp, details) \
             SELECT 1, 'note', '2026-05-01T00:00:00+00:00', '{details}' FROM n"
        );
        app.database.execute(&rows).await;
    }
    told.await.unwrap();
    // What waited for them comes, and then the end.
    for client in &mut slow {
        let mut told = 0;
        while client.next().await.is_some() {
            told += 1;
        }
        assert!((1..EVENTS).contains(&told), "{told}");
    }
    assert_eq!(app.metric("buoy_streams_cut_off_total").await, SLOW as f64);
    assert!(app.server.peak_memory() < 128 * 1024, "{}", app.server.peak_memory());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_prints_events() {
    let guarded = Guarded::start(Kind::Sqlite).await;
    let app = &guarded.app;
    let variables = [("BUOY_URL", app.base.as_str()), ("BUOY_TOKEN", ADMIN)];
    let arguments = ["events", "--follow", "--after", "0", "--type", "note"];
    let mut child = buoy(app.database.folder(), &arguments, &variables).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::task::spawn_blocking(move || lines.map_while(Result::ok).next());
    let body = json!({"event_type": "note", "url_id": 1});
    let note = app.ask(ADMIN, Method::POST, "/events", Some(&body)).await.expect(201);
    let line = timeout(PATIENCE, first).await.unwrap().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), note);
    let wrong = [("BUOY_URL", app.base.as_str()), ("BUOY_TOKEN", "wrong-wrong-wrong")];
    let refused = crate::process::run(app.database.folder(), &["events", "--follow"], &wrong);
    assert!(!refused.status.success() && refused.err.contains("401") && !refused.err.contains("wrong"), "{refused:?}");
}
