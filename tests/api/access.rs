//! Who may do what: every route with every kind of credentials, and an open API that no foreign page reaches.

use std::collections::HashMap;

use buoy::{
    domain::Scope,
    http::access::table::{Need, TABLE},
};
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    process::run,
};

on_both_databases!(
    every_route_with_every_kind_of_credentials,
    what_a_key_may_not_see_is_not_there,
    a_key_lists_what_is_its_users,
    what_a_key_does_is_put_down_to_it,
    no_secret_is_logged
);

pub(crate) const ADMIN: &str = "the-administrators-token-0123456789";
const ALL_BUT_ADMIN: [&str; 3] = ["links:read", "links:write", "stats:read"];

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Wrong,
    Expired,
    Revoked,
    /// Another user, with every scope but `admin`.
    Other,
    /// The user, with every scope but the one that is needed.
    TooSmall,
    /// The user, with the one scope that is needed.
    Right,
    Admin,
}

const EVERYONE: [Who; 8] =
    [Who::Nobody, Who::Wrong, Who::Expired, Who::Revoked, Who::Other, Who::TooSmall, Who::Right, Who::Admin];

/// A service that needs credentials, with two users who each have a link.
pub(crate) struct Guarded {
    pub(crate) app: TestApp,
    pub(crate) ann: i64,
    pub(crate) bob: i64,
    anns_link: Value,
}

impl Guarded {
    pub(crate) async fn start(kind: Kind) -> Self {
        let app = TestApp::start_with(kind, &[("ADMIN_TOKEN", ADMIN), ("LIMITS", "off")]).await;
        Self::with(app).await
    }

    pub(crate) async fn with(app: TestApp) -> Self {
        let user = async |name: &str| {
            let body = json!({"username": name, "email": format!("{name}@example.com")});
            app.ask(ADMIN, Method::POST, "/users", Some(&body)).await.expect(201)["id"].as_i64().unwrap()
        };
        let (ann, bob) = (user("ann").await, user("bob").await);
        let body = json!({"user_id": ann, "original_url": "https://example.com/ann", "short_code": "anns"});
        let anns_link = app.ask(ADMIN, Method::POST, "/urls", Some(&body)).await.expect(201);
        Self { app, ann, bob, anns_link }
    }

    /// A new key; its id and the key.
    pub(crate) async fn key(&self, user: i64, scopes: &[&str]) -> (i64, String) {
        let body = json!({"name": "a key", "scopes": scopes});
        let made = self.app.ask(ADMIN, Method::POST, &format!("/users/{user}/keys"), Some(&body)).await.expect(201);
        (made["id"].as_i64().unwrap(), made["key"].as_str().unwrap().to_owned())
    }

    /// The credentials of `who` for a route that needs `scope`.
    async fn credentials(&self, who: Who, scope: Scope) -> Option<String> {
        let others = Scope::ALL.map(Scope::name).into_iter().filter(|name| *name != scope.name() && *name != "admin");
        let key = match who {
            Who::Nobody => return None,
            Who::Wrong => return Some(buoy::domain::Secret::generate().expose().to_owned()),
            Who::Admin => return Some(ADMIN.to_owned()),
            Who::Other => self.key(self.bob, &ALL_BUT_ADMIN).await,
            Who::TooSmall => self.key(self.ann, &others.collect::<Vec<_>>()).await,
            Who::Expired | Who::Revoked | Who::Right => self.key(self.ann, &[scope.name()]).await,
        };
        let past = match who {
            Who::Expired => "expires_at",
            Who::Revoked => "revoked_at",
            _ => return Some(key.1),
        };
        let ended = format!("UPDATE api_keys SET {past} = '2026-01-01T00:00:00+00:00' WHERE id = {}", key.0);
        self.app.database.execute(&ended).await;
        Some(key.1)
    }

    /// A fresh link of Ann's.
    async fn link(&self) -> Value {
        let body = json!({"user_id": self.ann, "original_url": "https://example.com/fresh"});
        self.app.ask(ADMIN, Method::POST, "/urls", Some(&body)).await.expect(201)["id"].clone()
    }
}

impl TestApp {
    /// Sends a request with a token.
    pub(crate) async fn ask(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(token);
        send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }
}

/// What of Ann's a route is about: its path, the body, and the statuses for who may and for another user.
struct Case {
    path: String,
    body: Body,
    /// For who may.
    done: u16,
    /// For another user with the scope; what is theirs alone is answered with less instead.
    other: u16,
}

enum Body {
    None,
    Json(Value),
    Csv(&'static str),
}

impl Guarded {
    /// A route without a case fails here.
    async fn case(&self, method: &str, route: &str, nth: usize) -> Case {
        let ann = self.ann;
        let name = format!("new{nth}");
        let email = format!("{name}@example.com");
        let about_ann = route.replace("{id}", &ann.to_string());
        let case = |path: String, body, done, other| Case { path, body, done, other };
        match (method, route) {
            (
                "GET",
                "/health" | "/ready" | "/me" | "/metrics" | "/replicas" | "/users" | "/urls" | "/events" | "/stats",
            ) => case(route.to_owned(), Body::None, 200, 200),
            ("GET", "/{short_code}") => case("/anns".to_owned(), Body::None, 302, 302),
            ("GET", "/urls/{id}/redirect") => case("/urls/anns/redirect".to_owned(), Body::None, 302, 302),
            ("POST", "/users") => case(about_ann, Body::Json(json!({"username": name, "email": email})), 201, 403),
            ("POST", "/users/bulk") => case(about_ann, Body::Csv("username,email\nann,ann@example.com\n"), 201, 403),
            ("POST", "/urls/bulk") => {
                case(about_ann, Body::Csv("user_id,original_url\n1,https://example.com/\n"), 201, 403)
            }
            ("POST", "/events/bulk") => case(about_ann, Body::Csv("url_id,event_type\n1,noted\n"), 201, 403),
            ("GET", "/users/{id}" | "/users/{id}/keys") => case(about_ann, Body::None, 200, 404),
            ("PUT" | "PATCH", "/users/{id}") => case(about_ann, Body::Json(json!({"email": email})), 200, 403),
            ("DELETE", "/users/{id}") => {
                let body = json!({"username": name, "email": email});
                let user = self.app.ask(ADMIN, Method::POST, "/users", Some(&body)).await.expect(201)["id"].clone();
                case(format!("/users/{user}"), Body::None, 204, 403)
            }
            ("POST", "/users/{id}/keys") => {
                let body = json!({"name": "one more", "scopes": ["links:write"]});
                case(about_ann, Body::Json(body), 201, 404)
            }
            ("DELETE", "/users/{id}/keys/{key_id}") => {
                let (key, _) = self.key(ann, &["links:read"]).await;
                case(format!("/users/{ann}/keys/{key}"), Body::None, 204, 404)
            }
            _ => self.case_of_link(method, route, &name).await,
        }
    }

    /// The same for links and events.
    async fn case_of_link(&self, method: &str, route: &str, name: &str) -> Case {
        let (ann, link) = (self.ann, &self.anns_link["id"]);
        let about_link = route.replace("{id}", &link.to_string());
        let case = |path: String, body, done, other| Case { path, body, done, other };
        match (method, route) {
            ("POST", "/urls") => {
                let body = json!({"user_id": ann, "original_url": "https://example.com/posted"});
                case(about_link, Body::Json(body), 201, 404)
            }
            ("GET", "/urls/{id}" | "/urls/{id}/stats") => case(about_link, Body::None, 200, 404),
            ("PUT" | "PATCH", "/urls/{id}") => case(about_link, Body::Json(json!({"title": name})), 200, 404),
            ("DELETE", "/urls/{id}") => case(format!("/urls/{}", self.link().await), Body::None, 204, 404),
            ("POST", "/events") => {
                case(about_link, Body::Json(json!({"event_type": "noted", "url_id": link})), 201, 404)
            }
            // A place that is none: a stream that is let in does not end.
            ("GET", "/events/stream") => case("/events/stream?after=x".to_owned(), Body::None, 422, 422),
            ("GET", "/events/{id}") => {
                let events = self.app.ask(ADMIN, Method::GET, &format!("/events?url_id={link}&per_page=1"), None).await;
                case(format!("/events/{}", events.expect(200)[0]["id"]), Body::None, 200, 404)
            }
            _ => panic!("{method} {route} has no case here: say what it answers to whom"),
        }
    }

    async fn sent(&self, method: &str, case: &Case, token: Option<&str>) -> Answer {
        let mut request = self.app.request(method.parse().unwrap(), &case.path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        send(match &case.body {
            Body::None => request,
            Body::Json(body) => request.json(body),
            Body::Csv(text) => request.multipart(multipart::Form::new().part("file", multipart::Part::text(*text))),
        })
        .await
    }
}

async fn every_route_with_every_kind_of_credentials(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    for (nth, (method, route, need)) in TABLE.iter().enumerate() {
        for (mth, who) in EVERYONE.into_iter().enumerate() {
            let case = guarded.case(method, route, nth * 10 + mth).await;
            let (scope, is_public) = match need {
                Need::Nothing => (Scope::LinksRead, true),
                Need::Credentials => (Scope::LinksRead, false),
                Need::Scope(scope) => (*scope, false),
                Need::Admin => (Scope::Admin, false),
            };
            let token = guarded.credentials(who, scope).await;
            let answer = guarded.sent(method, &case, token.as_deref()).await;
            let expected = match who {
                _ if is_public => case.done,
                Who::Nobody | Who::Wrong | Who::Expired | Who::Revoked => 401,
                Who::TooSmall if *need == Need::Credentials => case.done,
                Who::TooSmall => 403,
                Who::Other if *need == Need::Admin => 403,
                Who::Other => case.other,
                Who::Right | Who::Admin => case.done,
            };
            assert_eq!(answer.status, expected, "{method} {route} for {who:?}: {answer:?}");
            let code = match (expected, who) {
                (401, Who::Nobody) => "credentials_required",
                (401, _) => "credentials_invalid",
                (403, _) => "scope_missing",
                _ => continue,
            };
            answer.problem(expected, code);
            assert_eq!(answer.header("www-authenticate").is_some(), expected == 401, "{answer:?}");
        }
    }
}

/// What of a user's answer would tell them of others.
async fn what_a_key_may_not_see_is_not_there(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, ann, bob) = (&guarded.app, guarded.ann, guarded.bob);
    let (_, key) = guarded.key(bob, &ALL_BUT_ADMIN).await;
    let as_bob =
        async |method: Method, path: &str, body: Option<Value>| app.ask(&key, method, path, body.as_ref()).await;
    let link = &guarded.anns_link["id"];
    for (method, path) in [
        (Method::GET, "/urls/{}"),
        (Method::DELETE, "/urls/{}"),
        (Method::GET, "/urls/{}/stats"),
        (Method::PUT, "/urls/{}"),
        (Method::GET, "/events/{}"),
        (Method::DELETE, "/users/{user}/keys/{}"),
    ] {
        let path = path.replace("{user}", &ann.to_string());
        let body = (method == Method::PUT).then(|| json!({"is_active": false}));
        let foreign = as_bob(method.clone(), &path.replace("{}", &link.to_string()), body.clone()).await;
        let missing = as_bob(method.clone(), &path.replace("{}", "987654321"), body).await;
        assert_eq!((foreign.status, &foreign.body), (404, &missing.body), "{method} {path}");
    }
    let posted =
        as_bob(Method::POST, "/urls", Some(json!({"user_id": ann, "original_url": "https://example.com"}))).await;
    let missing =
        as_bob(Method::POST, "/urls", Some(json!({"user_id": 987_654_321, "original_url": "https://example.com"})))
            .await;
    assert_eq!((posted.status, &posted.body), (404, &missing.body));
    let event = json!({"event_type": "noted", "url_id": link, "user_id": bob});
    as_bob(Method::POST, "/events", Some(event)).await.problem(404, "url_not_found");
}

/// Lists hold what is the user's, and nothing of others.
async fn a_key_lists_what_is_its_users(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, ann, bob, link) = (&guarded.app, guarded.ann, guarded.bob, &guarded.anns_link["id"]);
    let (_, key) = guarded.key(bob, &ALL_BUT_ADMIN).await;
    let as_bob =
        async |method: Method, path: &str, body: Option<Value>| app.ask(&key, method, path, body.as_ref()).await;
    let own = json!({"user_id": bob, "original_url": "https://example.com/bob"});
    let own = as_bob(Method::POST, "/urls", Some(own)).await.expect(201);
    for host in ["user@evil.example", "a b"] {
        let request = app.request(Method::GET, &format!("/urls/{}", own["id"])).bearer_auth(&key).header("host", host);
        let shown = send(request).await.expect(200)["short_url"].clone();
        assert!(shown.as_str().unwrap().starts_with("http://localhost/"), "{host}: {shown}");
    }
    let ids = |answer: &Answer, field: &str| -> Vec<Value> {
        answer.expect(200).as_array().unwrap().iter().map(|row| row[field].clone()).collect()
    };
    for query in ["", "?per_page=5", "?include=clicks", "?sort=-clicks", &format!("?user_id={bob}")] {
        assert_eq!(
            ids(&as_bob(Method::GET, &format!("/urls{query}"), None).await, "id"),
            [own["id"].clone()],
            "{query}"
        );
    }
    assert!(ids(&as_bob(Method::GET, &format!("/urls?user_id={ann}"), None).await, "id").is_empty());
    assert_eq!(ids(&as_bob(Method::GET, "/users?per_page=3", None).await, "id"), [json!(bob)]);
    assert!(ids(&as_bob(Method::GET, "/users?page=2&per_page=3", None).await, "id").is_empty());
    assert_eq!(ids(&as_bob(Method::GET, "/events", None).await, "url_id"), [own["id"].clone()]);
    assert!(ids(&as_bob(Method::GET, &format!("/events?url_id={link}"), None).await, "id").is_empty());
    let counted = as_bob(Method::GET, "/urls?count=true&per_page=1", None).await;
    assert_eq!(counted.header("x-total-count"), Some("1"));
}

/// What a key does is its own: its Idempotency-Keys, what stands in events, and what it may not do.
async fn what_a_key_does_is_put_down_to_it(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, ann, bob, link) = (&guarded.app, guarded.ann, guarded.bob, &guarded.anns_link["id"]);
    let (_, key) = guarded.key(bob, &ALL_BUT_ADMIN).await;
    let as_bob =
        async |method: Method, path: &str, body: Option<Value>| app.ask(&key, method, path, body.as_ref()).await;
    let own = json!({"user_id": bob, "original_url": "https://example.com/bob"});
    let own = as_bob(Method::POST, "/urls", Some(own)).await.expect(201);
    // The same Idempotency-Key does not tell what another was answered.
    let body = json!({"user_id": ann, "original_url": "https://example.com/secret"});
    let first = app.request(Method::POST, "/urls").bearer_auth(ADMIN).header("idempotency-key", "one").json(&body);
    send(first).await.expect(201);
    let again = app.request(Method::POST, "/urls").bearer_auth(&key).header("idempotency-key", "one").json(&body);
    send(again).await.problem(404, "user_not_found");
    // Disabling is the administrator's, on one's own links too, and what is disabled stays so.
    let path = format!("/urls/{}", own["id"]);
    let disable = json!({"disabled_reason": "spam"});
    as_bob(Method::PATCH, &path, Some(disable.clone())).await.problem(403, "scope_missing");
    app.ask(ADMIN, Method::PATCH, &path, Some(&disable)).await.expect(200);
    as_bob(Method::PATCH, &path, Some(json!({"disabled_reason": null}))).await.problem(403, "scope_missing");
    let changed = as_bob(Method::PATCH, &path, Some(json!({"is_active": true, "title": "mine"}))).await.expect(200);
    assert_eq!((&changed["disabled_reason"], &changed["title"]), (&json!("spam"), &json!("mine")));
    // What was done is put down to who did it.
    let event = as_bob(Method::GET, "/events?event_type=created", None).await.expect(200)[0].clone();
    let keys = as_bob(Method::GET, &format!("/users/{bob}/keys"), None).await.expect(200);
    assert_eq!(event["details"]["by"], format!("key:{}", keys[0]["id"]));
    let events = app.ask(ADMIN, Method::GET, &format!("/events?url_id={link}"), None).await.expect(200);
    assert_eq!(events[0]["details"]["by"], "admin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_api_is_out_of_reach_of_foreign_pages() {
    let app = TestApp::start_with(
        Kind::Sqlite,
        &[("ALLOWED_HOSTS", "links.example.com"), ("PUBLIC_URL", "https://go.example.com")],
    )
    .await;
    let user = app.user("ann").await;
    let code = app.url(user, "https://example.com").await["short_code"].as_str().unwrap().to_owned();
    let port = app.base.rsplit(':').next().unwrap();
    let with =
        async |name: &str, value: &str, path: &str| send(app.request(Method::GET, path).header(name, value)).await;
    for host in ["localhost", &format!("localhost:{port}"), "links.example.com", "go.example.com", "[::1]:80"] {
        with("host", host, "/users").await.expect(200);
    }
    for host in ["evil.example", "go.example.com.evil.example", ""] {
        with("host", host, "/users").await.problem(403, "foreign_host");
    }
    for origin in [app.base.as_str(), "https://go.example.com", "https://links.example.com"] {
        with("origin", origin, "/users").await.expect(200);
    }
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        with("origin", origin, "/users").await.problem(403, "foreign_origin");
        let body = json!({"username": "eve", "email": "eve@example.com"});
        send(app.request(Method::POST, "/users").header("origin", origin).json(&body))
            .await
            .problem(403, "foreign_origin");
    }
    assert_eq!(with("host", "evil.example", &format!("/{code}")).await.status, 302, "a link may have any name");
    let body = json!({"name": "a key", "scopes": ["links:read"]});
    app.post(&format!("/users/{user}/keys"), &body).await.problem(403, "keys_need_credentials");
    app.get(&format!("/users/{user}/keys")).await.expect(200);
    // Credentials that are not needed change nothing.
    assert_eq!(app.ask("whatever", Method::GET, "/users", None).await.status, 200);
    let created = app.events_of(&json!(1)).await;
    assert_eq!(created[0]["details"].get("by"), None, "the contract's details, and nothing more");
}

async fn no_secret_is_logged(kind: Kind) {
    let variables = [
        ("ADMIN_TOKEN", ADMIN),
        ("LOG_LEVEL", "trace"),
        ("TRUSTED_PROXY_HEADER", "x-forwarded-for"),
        ("TRUSTED_PROXIES", "any"),
    ];
    let guarded = Guarded::with(TestApp::start_with(kind, &variables).await).await;
    let (id, key) = guarded.key(guarded.ann, &["links:read"]).await;
    let visit = |token: &str| {
        let request = guarded.app.request(Method::GET, "/urls?user_id=1").bearer_auth(token);
        request.header("x-forwarded-for", "203.0.113.77")
    };
    let wrong = "buoy_very-wrong-token-0123456789";
    assert_eq!(send(visit(&key)).await.status, 200);
    assert_eq!(send(visit(wrong)).await.status, 401);
    assert_eq!(send(visit(ADMIN)).await.status, 200);
    // The last of them; lines come out in their order.
    let is_last =
        |line: &Value| line["caller"] == "admin" && line["http.method"] == "GET" && line["http.route"] == "/urls";
    guarded.app.until("logged", || async { guarded.app.server.logs().iter().any(is_last) }).await;
    let lines = guarded.app.server.lines();
    assert!(
        lines.iter().any(|line| line.contains(&format!("\"caller\":\"key:{id}\""))),
        "who called is told by the key's id"
    );
    for secret in [ADMIN, &key, &key[13..], wrong, "203.0.113.77"] {
        assert!(!lines.iter().any(|line| line.contains(secret)), "{secret} is in the log");
    }
}

#[test]
fn an_open_api_is_not_put_where_others_reach_it() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let refused = run(folder.path(), &["serve"], &[("HOST", "0.0.0.0"), ("PORT", "0")]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    for way_out in ["ADMIN_TOKEN", "OPEN_API=true"] {
        assert!(refused.err.contains(way_out), "{refused:?}");
    }
    for blank in ["", "  "] {
        let refused = run(folder.path(), &["serve"], &[("ADMIN_TOKEN", blank), ("PORT", "0")]);
        assert!(refused.status.code() == Some(1) && refused.err.contains("ADMIN_TOKEN: expected"), "{refused:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}

#[tokio::test]
async fn secrets_may_stand_in_files() {
    let database = std::sync::Arc::new(Database::fresh(Kind::Sqlite).await);
    let (token, url) = (database.folder().join("token"), database.folder().join("url"));
    std::fs::write(&token, format!("{ADMIN}\n")).unwrap();
    std::fs::write(&url, &database.url).unwrap();
    let files = [("ADMIN_TOKEN_FILE", token.to_str().unwrap()), ("DATABASE_URL_FILE", url.to_str().unwrap())];
    let variables: HashMap<_, _> = files.into_iter().chain([("HOST", "0.0.0.0")]).collect();
    let variables: Vec<(&str, &str)> = variables.into_iter().collect();
    let mut server = crate::process::Server::start(database.folder(), &variables);
    let base = server.address().await.replace("0.0.0.0", "127.0.0.1");
    let client = crate::app::client();
    assert_eq!(send(client.get(format!("{base}/users"))).await.status, 401);
    assert_eq!(send(client.get(format!("{base}/users")).bearer_auth(ADMIN)).await.status, 200);
    let missing = run(database.folder(), &["serve"], &[("ADMIN_TOKEN_FILE", "/no/such/file")]);
    assert!(!missing.status.success() && missing.err.contains("ADMIN_TOKEN_FILE"), "{missing:?}");
}
