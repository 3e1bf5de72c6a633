//! What users do, and what they expect of the answers.

use std::sync::{Arc, atomic::Ordering};

use goose::prelude::{GooseUser, Scenario, Transaction, TransactionFunction};
use rand::RngExt as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header::LOCATION};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::{
    api::ApiLink,
    options::{Mix, Options},
    recorder::Kind,
    world::{Visit, World},
};

/// The part of [`Mix::Mixed`] that manages links.
pub const MANAGES: f64 = 0.05;

/// The scenario that every user runs.
///
/// # Errors
/// Goose refuses the wait.
pub fn scenario(options: &Options, world: &Arc<World>) -> anyhow::Result<Scenario> {
    let (name, body): (_, Step) = match options.scenario {
        Mix::Visit => ("visit", |world| Box::pin(visit(world))),
        Mix::Manage => ("manage", |world| Box::pin(manage(world))),
        Mix::Mixed => ("mixed", |world| Box::pin(mixed(world))),
    };
    let scenario = Scenario::new(name).register_transaction(step(name, world, body));
    let think = std::time::Duration::from_millis(u64::from(options.think_ms));
    Ok(if think.is_zero() { scenario } else { scenario.set_wait_time(think, think)? })
}

type Step = fn(Arc<World>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn step(name: &str, world: &Arc<World>, body: Step) -> Transaction {
    let world = Arc::clone(world);
    let function: TransactionFunction = Arc::new(move |_: &mut GooseUser| {
        let world = Arc::clone(&world);
        Box::pin(async move {
            body(world).await;
            Ok(())
        })
    });
    Transaction::new(function).set_name(name)
}

/// Either, drawn for each step. Goose's own weights are an order that all users share: thousands would manage links in
/// the same second and none in the next.
async fn mixed(world: Arc<World>) {
    if rand::rng().random_bool(MANAGES) { manage(world).await } else { visit(world).await }
}

/// Follows a link: a popular one more often, now and then one that does not redirect.
async fn visit(world: Arc<World>) {
    let due = match &world.pace {
        None => Instant::now(),
        Some(pace) => {
            let due = pace.next_due();
            sleep_until(due).await;
            due
        }
    };
    let visit = world.draw(&mut rand::rng());
    let (kind, code) = match &visit {
        Visit::Active(link) => (Kind::Visit, link.code.as_str()),
        Visit::Inactive(link) => (Kind::Inactive, link.code.as_str()),
        Visit::Unknown(code) => (Kind::Unknown, code.as_str()),
    };
    let answer = world.api.visit(Method::GET, code).send().await;
    let status = answer.as_ref().ok().map(Response::status);
    let fault = match (&visit, answer) {
        (_, Err(error)) => Some(unanswered(&error)),
        (Visit::Active(link), Ok(response)) => leads_to(response, &link.target).await,
        (Visit::Inactive(_) | Visit::Unknown(_), Ok(response)) => leads_nowhere(response).await,
    };
    if let Visit::Active(link) = &visit {
        match status {
            Some(StatusCode::FOUND) => link.made.fetch_add(1, Ordering::Relaxed),
            Some(_) => 0,
            None => link.unsure.fetch_add(1, Ordering::Relaxed),
        };
    }
    world.recorder.record(kind, due, fault.as_deref());
}

/// Creates a link, lists the owner's, gives it another target, follows it, and deletes it; stops at the first failure.
async fn manage(world: Arc<World>) {
    let target = format!("https://www.example.com/managed/{:08x}", rand::rng().random::<u32>());
    let body = json!({ "user_id": world.owner, "original_url": format!("{target}/before") });
    let Some(answer) = expect(&world, Kind::Create, world.api.request(Method::POST, "/urls").json(&body), 201).await
    else {
        return;
    };
    let Ok(link) = serde_json::from_value::<ApiLink>(answer) else { return };
    let path = format!("/urls/{}", link.id);
    let list = format!("/urls?user_id={}&page=1&per_page=20", world.owner);
    expect(&world, Kind::List, world.api.request(Method::GET, &list), 200).await;
    let body = json!({ "original_url": target });
    if expect(&world, Kind::Update, world.api.request(Method::PUT, &path).json(&body), 200).await.is_some() {
        // HEAD redirects and is not counted: this link will be gone when clicks are compared.
        let due = Instant::now();
        let fault = match world.api.visit(Method::HEAD, &link.short_code).send().await {
            Ok(response) => leads_to(response, &target).await,
            Err(error) => Some(unanswered(&error)),
        };
        world.recorder.record(Kind::Changed, due, fault.as_deref());
    }
    expect(&world, Kind::Delete, world.api.request(Method::DELETE, &path), 204).await;
}

/// Sends a request and records it; returns the body if status and body are as expected.
async fn expect(world: &World, kind: Kind, request: RequestBuilder, status: u16) -> Option<Value> {
    let due = Instant::now();
    let answer = match request.send().await {
        Ok(response) if response.status().as_u16() == status => body_of(kind, response).await,
        Ok(response) => Err(format!("status {}", refused(response).await)),
        Err(error) => Err(unanswered(&error)),
    };
    world.recorder.record(kind, due, answer.as_ref().err().map(String::as_str));
    answer.ok()
}

async fn body_of(kind: Kind, response: Response) -> Result<Value, String> {
    let text = response.text().await.map_err(|error| unanswered(&error))?;
    if kind == Kind::Delete {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_str(&text).map_err(|_| "a body that is not JSON".to_owned())?;
    let is_right = match kind {
        Kind::List => value.as_array().is_some_and(|rows| !rows.is_empty()),
        _ => value["id"].is_i64() && value["short_code"].is_string(),
    };
    if is_right { Ok(value) } else { Err("a body without what was asked for".to_owned()) }
}

/// What is wrong with a redirect that should lead to `target`.
async fn leads_to(response: Response, target: &str) -> Option<String> {
    if response.status() != StatusCode::FOUND {
        return Some(format!("status {} for a redirect", refused(response).await));
    }
    let leads_there = response.headers().get(LOCATION).is_some_and(|location| location.as_bytes() == target.as_bytes());
    // Read to its end, so that the connection can be used again.
    response.bytes().await.ok();
    (!leads_there).then(|| "the wrong Location".to_owned())
}

/// What is wrong with an answer that should be no redirect.
async fn leads_nowhere(response: Response) -> Option<String> {
    let has_location = response.headers().contains_key(LOCATION);
    let status = refused(response).await;
    match status {
        StatusCode::NOT_FOUND if !has_location => None,
        StatusCode::NOT_FOUND => Some("a Location with 404".to_owned()),
        other => Some(format!("status {other} instead of 404")),
    }
}

async fn refused(response: Response) -> StatusCode {
    let status = response.status();
    response.bytes().await.ok();
    status
}

/// Why there was no answer, in few words and without the address: each is a row of the report.
fn unanswered(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}
