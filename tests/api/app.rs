//! The service on a fresh database, and a client for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

use crate::{
    common::database::{Database, Kind},
    process::{PATIENCE, Server},
};

/// The service, its database, and a client that follows no redirect.
#[derive(Debug)]
pub(crate) struct TestApp {
    // Fields are dropped in this order: the process first.
    pub(crate) server: Server,
    pub(crate) base: String,
    pub(crate) client: Client,
    pub(crate) database: Arc<Database>,
}

impl TestApp {
    /// The service on a database of its own, ready.
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[]).await
    }

    /// The same, with these variables.
    pub(crate) async fn start_with(kind: Kind, variables: &[(&str, &str)]) -> Self {
        Self::start_on(&Arc::new(Database::fresh(kind).await), variables).await
    }

    /// Another process on a database that is there already. It waits long for a connection: other tests keep the
    /// machine busy.
    pub(crate) async fn start_on(database: &Arc<Database>, variables: &[(&str, &str)]) -> Self {
        let mut all = vec![("DATABASE_WAIT_MS", "15000")];
        all.extend(variables);
        let app = Self::launch(database, &all).await;
        app.until_ready().await;
        app
    }

    /// The same, without waiting until it is ready.
    pub(crate) async fn launch(database: &Arc<Database>, variables: &[(&str, &str)]) -> Self {
        let mut all = vec![("DATABASE_URL", database.url.as_str())];
        all.extend(variables);
        let mut server = Server::start(database.folder(), &all);
        let base = server.address().await;
        Self { server, base, client: client(), database: Arc::clone(database) }
    }

    /// The service on a database, whose files can be bounded by [`Server::limit_files`] as a full disk does.
    pub(crate) async fn start_boundable(database: &Arc<Database>, variables: &[(&str, &str)]) -> Self {
        let mut all = vec![("DATABASE_URL", database.url.as_str())];
        all.extend(variables);
        // A file that would grow beyond its bound sends this signal, unlike a disk that is full.
        let mut server = Server::start_ignoring("XFSZ", database.folder(), &all);
        let base = server.address().await;
        let app = Self { server, base, client: client(), database: Arc::clone(database) };
        app.until_ready().await;
        app
    }

    /// Waits until `/ready` answers 200 with `ready`.
    pub(crate) async fn until_ready(&self) {
        self.until("ready", || async {
            let answer = self.get("/ready").await;
            answer.status == 200 && answer.json()["status"] == "ready"
        })
        .await;
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not {what} in time:\n{}", self.server.lines().join("\n"));
    }

    /// A request to be completed.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        send(self.request(Method::HEAD, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, path).json(body)).await
    }

    /// Sends text as it is, declared as JSON.
    pub(crate) async fn send_text(&self, method: Method, path: &str, text: impl Into<reqwest::Body>) -> Answer {
        send(self.request(method, path).header("content-type", "application/json").body(text)).await
    }

    /// GET with a JSON body.
    pub(crate) async fn get_with_body(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::GET, path).json(body)).await
    }

    /// POST with an `Idempotency-Key`.
    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    }

    /// Creates a user of this name; answers the id.
    pub(crate) async fn user(&self, name: &str) -> i64 {
        let body = json!({"username": name, "email": format!("{name}@example.com")});
        self.post("/users", &body).await.expect(201)["id"].as_i64().expect("ids are numbers")
    }

    /// Creates a link of this user; answers it.
    pub(crate) async fn url(&self, user_id: i64, target: &str) -> Value {
        self.post("/urls", &json!({"user_id": user_id, "original_url": target})).await.expect(201)
    }

    /// Every event about a link.
    pub(crate) async fn events_of(&self, url_id: &Value) -> Vec<Value> {
        let events = self.get(&format!("/events?url_id={url_id}")).await.expect(200);
        events.as_array().expect("lists are arrays").clone()
    }

    /// The sum of a metric's series.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics").await.body;
        let series = page.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
        series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// How many clicks of a link are stored.
    pub(crate) async fn clicks(&self, url_id: &Value) -> usize {
        self.events_of(url_id).await.iter().filter(|event| event["event_type"] == "click").count()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.server.lines();
            let telling =
                lines.iter().filter(|line| !line.contains("\"level\":\"INFO\"") || !line.contains("\"request\""));
            println!("the service said:\n{}", telling.map(String::as_str).collect::<Vec<_>>().join("\n"));
        }
    }
}

/// A client that follows no redirect.
pub(crate) fn client() -> Client {
    buoy::outbound::client().timeout(Duration::from_secs(30)).build().expect("a client can be made")
}

/// Sends a request and reads the whole answer.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("there is an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await.expect("the answer is complete");
    Answer { status, headers, body }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are ASCII"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body of a success, which must have this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        self.json()
    }

    /// The body of a failure, which must have this status and code, and the one shape.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("location"), None, "{self:?}");
        let body = self.json();
        assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{self:?}");
        for key in ["type", "title", "detail", "error"] {
            assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {self:?}");
        }
        assert_eq!(body["detail"], body["error"], "{self:?}");
        for word in ["SELECT", "INSERT", "sqlx", "src/", "panicked", "constraint", "UNIQUE"] {
            assert!(!self.body.contains(word), "{word}: {self:?}");
        }
        body
    }

    /// The fields that a 422 names.
    pub(crate) fn refused_fields(&self) -> Vec<String> {
        let body = self.problem(422, "invalid_fields");
        body["errors"].as_object().expect("each field is named").keys().cloned().collect()
    }
}
