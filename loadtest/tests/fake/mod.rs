//! A deployment that keeps its links in memory, and errs when told to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What goes wrong.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Every so many redirects one leads elsewhere; 0 for never.
    pub(crate) wrong_location_every: u64,
    /// Every so many clicks one is not counted; 0 for never.
    pub(crate) forget_click_every: u64,
    /// Whether changed links keep their old target.
    pub(crate) old_target: bool,
}

#[derive(Default)]
struct Links {
    faults: Faults,
    by_id: HashMap<i64, Link>,
    redirects: u64,
}

struct Link {
    first_target: String,
    target: String,
    is_active: bool,
    clicks: u64,
}

type Shared = State<Arc<Mutex<Links>>>;

/// Starts it; answers its port.
pub(crate) async fn start(faults: Faults) -> u16 {
    let links = Arc::new(Mutex::new(Links { faults, ..Links::default() }));
    let router = Router::new()
        .route("/users", post(|| async { (StatusCode::CREATED, Json(json!({ "id": 1 }))) }))
        .route("/users/{id}", delete(|| async { StatusCode::NO_CONTENT }))
        .route("/urls", get(list).post(create))
        .route("/urls/{id}", delete(remove).put(update).patch(update))
        .route("/urls/{id}/stats", get(stats))
        .route("/{code}", get(follow))
        .with_state(links);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn list(State(links): Shared) -> Json<Value> {
    let ids: Vec<Value> = links.lock().unwrap().by_id.keys().map(|id| json!({ "id": id })).collect();
    Json(ids.into())
}

async fn create(State(links): Shared, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let mut links = links.lock().unwrap();
    let id = i64::try_from(links.by_id.len()).unwrap() + 1_000_000 * i64::try_from(links.redirects).unwrap() + 1;
    let target = body["original_url"].as_str().unwrap().to_owned();
    links.by_id.insert(id, Link { first_target: target.clone(), target, is_active: true, clicks: 0 });
    (StatusCode::CREATED, Json(json!({ "id": id, "short_code": format!("c{id}") })))
}

async fn update(State(links): Shared, Path(id): Path<i64>, Json(body): Json<Value>) -> Json<Value> {
    let mut links = links.lock().unwrap();
    let link = links.by_id.get_mut(&id).unwrap();
    if let Some(target) = body["original_url"].as_str() {
        link.target = target.to_owned();
    }
    link.is_active = body["is_active"].as_bool().unwrap_or(link.is_active);
    Json(json!({ "id": id, "short_code": format!("c{id}") }))
}

async fn remove(State(links): Shared, Path(id): Path<i64>) -> StatusCode {
    links.lock().unwrap().by_id.remove(&id);
    StatusCode::NO_CONTENT
}

async fn stats(State(links): Shared, Path(id): Path<i64>) -> Json<Value> {
    Json(json!({ "total": links.lock().unwrap().by_id[&id].clicks }))
}

async fn follow(State(links): Shared, method: Method, Path(code): Path<String>) -> Response {
    let mut links = links.lock().unwrap();
    links.redirects += 1;
    let (faults, nth) = (links.faults, links.redirects);
    let is_nth = |every: u64| every > 0 && nth.is_multiple_of(every);
    let id = code.strip_prefix('c').and_then(|id| id.parse().ok()).unwrap_or(0);
    let Some(link) = links.by_id.get_mut(&id).filter(|link| link.is_active) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    link.clicks += u64::from(method == Method::GET && !is_nth(faults.forget_click_every));
    let target = match faults {
        _ if is_nth(faults.wrong_location_every) => "https://elsewhere.example",
        Faults { old_target: true, .. } => link.first_target.as_str(),
        _ => link.target.as_str(),
    };
    (StatusCode::FOUND, [(header::LOCATION, target.to_owned())]).into_response()
}
