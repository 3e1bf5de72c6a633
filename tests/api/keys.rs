//! Keys: made, listed, used, revoked; over HTTP and from a shell; on every replica.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    access::{ADMIN, Guarded},
    app::TestApp,
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    process::run,
};

on_both_databases!(
    a_key_is_shown_once,
    no_key_makes_a_greater_one,
    a_revoked_key_takes_along_what_it_made,
    a_shell_makes_and_revokes_keys,
    a_user_who_is_deleted_has_no_keys,
    a_user_makes_ten_keys_an_hour_and_has_a_hundred
);

impl Guarded {
    /// Waits until the replica does not take a key any more.
    async fn until_refused(&self, key: &str) {
        let is_refused = async || self.app.ask(key, Method::GET, "/urls", None).await.status == 401;
        self.app.until("refused", is_refused).await;
        self.app.ask(key, Method::GET, "/urls", None).await.problem(401, "credentials_invalid");
    }
}

async fn a_key_is_shown_once(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, path) = (&guarded.app, format!("/users/{}/keys", guarded.ann));
    let body =
        json!({"name": "deploy script", "scopes": ["links:write", "links:read"], "expires_at": "2099-01-01T00:00:00Z"});
    let answer = app.ask(ADMIN, Method::POST, &path, Some(&body)).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut made = answer.expect(201);
    let key = made.as_object_mut().unwrap().remove("key").unwrap();
    let key = key.as_str().unwrap();
    assert!(key.starts_with(made["prefix"].as_str().unwrap()) && key.len() == 51, "{made}");
    assert_eq!((&made["scopes"], &made["last_used_at"]), (&json!(["links:read", "links:write"]), &Value::Null));
    assert_eq!(made["expires_at"], "2099-01-01T00:00:00Z");

    let listed = app.ask(ADMIN, Method::GET, &path, None).await;
    assert_eq!(listed.expect(200), json!([made]));
    assert!(!listed.body.contains(&key[13..]));
    app.ask(key, Method::GET, "/urls", None).await.expect(200);
    let listed = app.ask(key, Method::GET, &path, None).await.expect(200);
    assert!(listed[0]["last_used_at"].is_string(), "its use is noted: {listed}");
    let page = app.ask(ADMIN, Method::GET, &format!("{path}?per_page=1&count=true"), None).await;
    assert_eq!(page.header("x-total-count"), Some("1"));
    app.ask(ADMIN, Method::GET, "/users/987654321/keys", None).await.problem(404, "user_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_key_is_refused() {
    let guarded = Guarded::start(Kind::Sqlite).await;
    let path = format!("/users/{}/keys", guarded.ann);
    for (body, field) in [
        (json!({"scopes": ["links:read"]}), "name"),
        (json!({"name": " x", "scopes": ["links:read"]}), "name"),
        (json!({"name": "x"}), "scopes"),
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "x", "scopes": "links:read"}), "scopes"),
        (json!({"name": "x", "scopes": ["links:all"]}), "scopes"),
        (json!({"name": "x", "scopes": ["links:read"], "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "x", "scopes": ["links:read"], "expires_at": "+99999-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "x", "scopes": ["links:read"], "expires_at": 7}), "expires_at"),
    ] {
        let refused = guarded.app.ask(ADMIN, Method::POST, &path, Some(&body)).await;
        assert_eq!(refused.refused_fields(), [field], "{body}");
    }
    assert_eq!(guarded.app.ask(ADMIN, Method::GET, &path, None).await.expect(200), json!([]));
    for header in
        ["", "Basic YTpi", "Bearer", "Bearer ", &format!("Bearer {ADMIN}x"), &format!("Bearer {}", &ADMIN[1..])]
    {
        let request = guarded.app.request(Method::GET, "/urls").header("authorization", header);
        crate::app::send(request).await.problem(401, "credentials_invalid");
    }
    let twice = guarded.app.request(Method::GET, "/urls").bearer_auth(ADMIN).bearer_auth(ADMIN);
    crate::app::send(twice).await.problem(401, "credentials_invalid");
}

async fn no_key_makes_a_greater_one(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, path) = (&guarded.app, format!("/users/{}/keys", guarded.ann));
    let body = json!({"name": "mother", "scopes": ["links:write", "links:read"], "expires_at": "2090-01-01T00:00:00Z"});
    let mother = app.ask(ADMIN, Method::POST, &path, Some(&body)).await.expect(201);
    let mother = mother["key"].as_str().unwrap();
    for scopes in [json!(["stats:read"]), json!(["admin"]), json!(["links:read", "admin"])] {
        let body = json!({"name": "daughter", "scopes": scopes});
        app.ask(mother, Method::POST, &path, Some(&body)).await.problem(403, "scopes_exceeded");
    }
    for (asked, given) in [
        (json!(null), "2090-01-01T00:00:00Z"),
        (json!("2095-01-01T00:00:00Z"), "2090-01-01T00:00:00Z"),
        (json!("2080-01-01T00:00:00Z"), "2080-01-01T00:00:00Z"),
    ] {
        let body = json!({"name": "daughter", "scopes": ["links:read"], "expires_at": asked});
        let daughter = app.ask(mother, Method::POST, &path, Some(&body)).await.expect(201);
        assert_eq!(daughter["expires_at"], given);
    }
}

async fn a_revoked_key_takes_along_what_it_made(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, path) = (&guarded.app, format!("/users/{}/keys", guarded.ann));
    let (mother, secret) = guarded.key(guarded.ann, &["links:write", "links:read"]).await;
    let (other, _) = guarded.key(guarded.ann, &["links:read"]).await;
    let body = json!({"name": "daughter", "scopes": ["links:write"]});
    let daughter = app.ask(&secret, Method::POST, &path, Some(&body)).await.expect(201);
    let granddaughter = app.ask(daughter["key"].as_str().unwrap(), Method::POST, &path, Some(&body)).await.expect(201);
    // Not another user's, and not what is not there.
    let (_, bobs) = guarded.key(guarded.bob, &["links:write"]).await;
    app.ask(&bobs, Method::DELETE, &format!("/users/{}/keys/{mother}", guarded.bob), None)
        .await
        .problem(404, "key_not_found");
    assert_eq!(
        app.ask(ADMIN, Method::DELETE, &format!("/users/{}/keys/{mother}", guarded.bob), None).await.status,
        204
    );
    app.ask(&secret, Method::GET, "/urls", None).await.expect(200);
    for _ in 0..2 {
        assert_eq!(app.ask(ADMIN, Method::DELETE, &format!("{path}/{mother}"), None).await.status, 204);
    }
    for key in [&json!(secret), &daughter["key"], &granddaughter["key"]] {
        guarded.until_refused(key.as_str().unwrap()).await;
    }
    let keys = app.ask(ADMIN, Method::GET, &path, None).await.expect(200);
    let good = keys.as_array().unwrap().iter().filter(|key| key["revoked_at"].is_null()).map(|key| key["id"].as_i64());
    assert_eq!(good.collect::<Vec<_>>(), [Some(other)]);
}

async fn a_shell_makes_and_revokes_keys(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (app, database) = (&guarded.app, &guarded.app.database);
    let shell = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["key"].iter().chain(arguments).copied().collect();
        run(database.folder(), &arguments, &[("DATABASE_URL", database.url.as_str())])
    };
    let made = shell(&[
        "create",
        "--user",
        "ann",
        "--name",
        "from a shell",
        "--scope",
        "links:read,stats:read",
        "--days",
        "90",
    ]);
    assert!(made.status.success(), "{made:?}");
    let key = made.out.trim();
    app.ask(key, Method::GET, "/stats", None).await.expect(200);
    app.ask(key, Method::POST, "/urls", Some(&json!({}))).await.problem(403, "scope_missing");
    let listed = shell(&["list", "--user", &guarded.ann.to_string()]);
    assert!(listed.out.contains("from a shell") && listed.out.contains("links:read stats:read"), "{listed:?}");
    assert!(!listed.output().contains(&key[13..]), "{listed:?}");
    let id = listed.out.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(shell(&["revoke", id]).status.success());
    assert!(shell(&["list", "--user", "ann"]).out.contains("revoked"));
    guarded.until_refused(key).await;
    for (arguments, said) in [
        (&["create", "--user", "nobody", "--name", "x", "--scope", "admin"][..], "nobody"),
        (&["create", "--user", "ann", "--name", "x", "--scope", "everything"], "links:read"),
        (&["revoke", "987654321"], "987654321"),
        (&["revoke", "zero"], "zero"),
    ] {
        let refused = shell(arguments);
        assert!(!refused.status.success() && refused.err.contains(said), "{refused:?}");
    }
}

async fn a_user_who_is_deleted_has_no_keys(kind: Kind) {
    let guarded = Guarded::start(kind).await;
    let (_, key) = guarded.key(guarded.bob, &["links:read"]).await;
    guarded.app.ask(&key, Method::GET, "/urls", None).await.expect(200);
    assert_eq!(guarded.app.ask(ADMIN, Method::DELETE, &format!("/users/{}", guarded.bob), None).await.status, 204);
    guarded.until_refused(&key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_holds_on_every_replica_within_a_second() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(TestApp::start_on(&database, &[("ADMIN_TOKEN", ADMIN), ("LIMITS", "off")]).await);
    }
    let body = json!({"username": "ann", "email": "ann@example.com"});
    let ann = replicas[0].ask(ADMIN, Method::POST, "/users", Some(&body)).await.expect(201)["id"].clone();
    for round in 0..3 {
        let body = json!({"name": format!("key {round}"), "scopes": ["links:read"]});
        let path = format!("/users/{ann}/keys");
        let made = replicas[0].ask(ADMIN, Method::POST, &path, Some(&body)).await.expect(201);
        let key = made["key"].as_str().unwrap();
        for app in &replicas {
            app.ask(key, Method::GET, "/urls", None).await.expect(200);
        }
        let revoked = replicas[round].ask(ADMIN, Method::DELETE, &format!("{path}/{}", made["id"]), None).await;
        assert_eq!(revoked.status, 204);
        let since = Instant::now();
        // In use all the while, so that nothing but its age makes what is known of the key be asked for again.
        while since.elapsed() < Duration::from_secs(1) {
            for app in &replicas {
                app.ask(key, Method::GET, "/urls", None).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for app in &replicas {
            app.ask(key, Method::GET, "/urls", None).await.problem(401, "credentials_invalid");
        }
    }
}

async fn a_user_makes_ten_keys_an_hour_and_has_a_hundred(kind: Kind) {
    let variables = [("ADMIN_TOKEN", ADMIN), ("LIMIT_CREATIONS", "1000/min+1000")];
    let guarded = Guarded::with(TestApp::start_with(kind, &variables).await).await;
    let path = format!("/users/{}/keys", guarded.ann);
    let body = json!({"name": "a key", "scopes": ["links:write"]});
    let (id, key) = guarded.key(guarded.ann, &["links:write"]).await;
    let mut newest = key;
    for _ in 0..10 {
        // Each with the last: another key is no other user.
        let made = guarded.app.ask(&newest, Method::POST, &path, Some(&body)).await.expect(201);
        newest = made["key"].as_str().unwrap().to_owned();
    }
    let refused = guarded.app.ask(&newest, Method::POST, &path, Some(&body)).await;
    refused.problem(429, "rate_limited");
    let wait: u32 = refused.header("retry-after").expect("it says when").parse().expect("in seconds");
    assert!((3_000..=3_600).contains(&wait), "{wait}");
    // The administrator may make more, up to a hundred.
    for _ in 11..100 {
        guarded.key(guarded.ann, &["links:read"]).await;
    }
    guarded.app.ask(ADMIN, Method::POST, &path, Some(&body)).await.problem(409, "too_many_keys");
    assert_eq!(guarded.app.ask(ADMIN, Method::DELETE, &format!("{path}/{id}"), None).await.status, 204);
    guarded.app.ask(ADMIN, Method::POST, &path, Some(&body)).await.expect(201);
}
