//! Ten thousand guesses at three replicas: the fleet looks at as many as one budget allows, and who has the right credentials is
//! not kept out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use buoy::domain::Secret;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::{
    access::ADMIN,
    app::{Answer, TestApp, send},
    common::database::{Database, Kind},
    limits::BEHIND_A_PROXY,
};

const GUESSES: u32 = 10_000;
const AT_ONCE: u32 = 12;
const RATE_A_SECOND: f64 = 10.0;
const BURST: f64 = 30.0;
const BUDGET: [(&str, &str); 3] =
    [("ADMIN_TOKEN", ADMIN), ("LIMIT_FAILED_CREDENTIALS", "600"), ("LIMIT_FAILED_CREDENTIALS_BURST", "30")];

async fn list(app: &TestApp, token: &str, client: &str) -> Answer {
    send(app.request(Method::GET, "/urls").bearer_auth(token).header("x-forwarded-for", client)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_get_one_budget_from_three_replicas() {
    let database = Arc::new(Database::fresh(Kind::Postgres).await);
    let variables = [&BEHIND_A_PROXY[..], &BUDGET].concat();
    let apps = join_all((0..3).map(|_| TestApp::start_on(&database, &variables))).await;
    let user = json!({"username": "ann", "email": "ann@example.com"});
    let user = apps[0].ask(ADMIN, Method::POST, "/users", Some(&user)).await.expect(201)["id"].clone();
    let body = json!({"name": "a key", "scopes": ["links:read"]});
    let made = apps[0].ask(ADMIN, Method::POST, &format!("/users/{user}/keys"), Some(&body)).await.expect(201);
    let key = made["key"].as_str().unwrap();
    for app in &apps {
        list(app, key, "203.0.113.1").await.expect(200);
    }
    let (begun, looked_at, refused) = (Instant::now(), AtomicU32::new(0), AtomicU32::new(0));
    let guess = async |from: u32| {
        for nth in (from..GUESSES).step_by(AT_ONCE as usize) {
            let app = &apps[nth as usize % apps.len()];
            let token = match nth % 3 {
                0 => format!("guess-{nth}"),
                1 => format!("buoy_{nth:046}"),
                _ => Secret::generate().expose().to_owned(),
            };
            // What the client itself writes makes no other client of it.
            let answer = list(app, &token, &format!("198.51.100.{}, 203.0.113.1", nth % 200)).await;
            match answer.status {
                401 => looked_at.fetch_add(1, Ordering::Relaxed),
                429 => refused.fetch_add(1, Ordering::Relaxed),
                _ => panic!("{answer:?}"),
            };
            if nth % 500 == 0 {
                // Right credentials are no guess, from the same address too.
                list(app, ADMIN, "203.0.113.1").await.expect(200);
                list(app, key, "203.0.113.1").await.expect(200);
            }
        }
    };
    join_all((0..AT_ONCE).map(guess)).await;
    let (seconds, looked_at) = (begun.elapsed().as_secs_f64(), f64::from(looked_at.into_inner()));
    let most = 1.1 * RATE_A_SECOND * seconds + BURST;
    assert!(looked_at <= most, "{looked_at} of {GUESSES} in {seconds} s, {most} at most");
    assert!(looked_at >= 0.5 * RATE_A_SECOND * seconds, "{looked_at} in {seconds} s");
    assert_eq!(looked_at + f64::from(refused.into_inner()), f64::from(GUESSES));
    // Others are not kept out either.
    list(&apps[0], "guess", "203.0.113.9").await.problem(401, "credentials_invalid");
}
