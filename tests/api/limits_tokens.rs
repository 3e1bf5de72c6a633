//! Guesses at credentials: two replicas look at as many as one limit allows, and right credentials are let in
//! whatever others try.

use std::sync::Arc;

use buoy::domain::Secret;
use reqwest::Method;
use serde_json::json;

use crate::{
    access::{ADMIN, Guarded},
    app::{Answer, TestApp, send},
    common::{
        database::{Database, Kind},
        on_both_databases,
    },
    limits::BEHIND_A_PROXY,
    limits_fleet::replicas,
};

on_both_databases!(networks_of_a_site_share_a_limit_and_keep_no_good_key_out);

const LIMIT: [(&str, &str); 2] = [("ADMIN_TOKEN", ADMIN), ("LIMIT_FAILED_CREDENTIALS", "1/h+12")];

async fn list(app: &TestApp, token: &str, client: &str) -> Answer {
    send(app.request(Method::GET, "/urls").bearer_auth(token).header("x-forwarded-for", client)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_get_one_limit_from_two_replicas() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let apps = replicas(&database, &LIMIT).await;
    let user = json!({"username": "ann", "email": "ann@example.com"});
    let user = apps[0].ask(ADMIN, Method::POST, "/users", Some(&user)).await.expect(201)["id"].clone();
    let body = json!({"name": "a key", "scopes": ["links:read"]});
    let made = apps[0].ask(ADMIN, Method::POST, &format!("/users/{user}/keys"), Some(&body)).await.expect(201);
    let mut seen = [0, 0];
    for nth in 0..300_usize {
        let token = match nth / 2 % 3 {
            0 => format!("guess-{nth}"),
            1 => format!("buoy_{nth:046}"),
            _ => Secret::generate().expose().to_owned(),
        };
        // What the client itself writes makes no other client of it.
        let answer = list(&apps[nth % 2], &token, &format!("198.51.100.{}, 203.0.113.1", nth % 200)).await;
        match answer.status {
            401 => seen[nth % 2] += 1,
            429 => assert!(answer.header("retry-after").is_some(), "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(seen, [6, 6], "each replica has half of the limit");
    // Right credentials are no guess, from the same address and on a replica that has not seen them yet.
    for app in &apps {
        list(app, ADMIN, "203.0.113.1").await.expect(200);
        list(app, made["key"].as_str().unwrap(), "203.0.113.1").await.expect(200);
    }
    list(&apps[0], "guess", "203.0.113.9").await.problem(401, "credentials_invalid");
}

async fn networks_of_a_site_share_a_limit_and_keep_no_good_key_out(kind: Kind) {
    let variables = [&BEHIND_A_PROXY[..], &LIMIT].concat();
    let guarded = Guarded::with(TestApp::start_with(kind, &variables).await).await;
    let (_, key) = guarded.key(guarded.ann, &["links:read"]).await;
    let mut seen = 0;
    for nth in 0..300 {
        let wrong = Secret::generate();
        let answer = list(&guarded.app, wrong.expose(), &format!("2001:db8:1:{nth:x}::1")).await;
        seen += usize::from(answer.status == 401);
    }
    assert_eq!(seen, 8 * 12);
    list(&guarded.app, &key, "2001:db8:1:0::2").await.expect(200);
    list(&guarded.app, "guess", "2001:db8:2::1").await.problem(401, "credentials_invalid");
}
