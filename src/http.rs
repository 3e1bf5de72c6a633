//! The HTTP side: the router and what stands around it.
//!
//! Promises: every answer that is not a success has the one error shape; every request has an id and one log line;
//! nothing of SQL, paths or causes reaches a client. Leaves out: what the answers mean, which is the floors' below.

mod accept;
pub mod access;
pub mod again;
pub mod client_address;
pub mod error;
pub mod extract;
pub mod field;
pub mod idempotency;
pub mod known;
pub mod limits;
pub mod list;
pub mod middleware;
pub mod openapi;
pub mod permits;
mod portions;
pub mod routes;
pub mod server;
pub mod upload;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::error::{Error, Problem};
use self::known::Parameters;
use self::routes::{bulk, docs, events, health, keys, me, metrics, redirect, replicas, stats, stream, urls, users};
use crate::{domain::Policy, state::AppState};

/// Every route, ready to be served. `pages` puts those for people beside the others. It is also given the routes
/// behind the gate, to be asked with a [`crate::state::SignedIn`].
pub fn router(app: AppState, pages: impl FnOnce(Router<AppState>, Router) -> Router<AppState>) -> Router {
    let document = document();
    let known = from_fn_with_state(Arc::new(Parameters::of(&document)), known::known_parameters);
    let documentation = docs::router(document);
    let limit = from_fn_with_state(app.settings.request_timeout, middleware::time_limit);
    let bulk_limit = from_fn_with_state(app.settings.bulk_timeout, middleware::time_limit);
    let gate = from_fn_with_state(app.clone(), access::gate);
    let permits = from_fn_with_state(app.clone(), permits::permits);
    let limited = |policy| from_fn_with_state((app.clone(), policy), limits::limited);
    // The last layer is the outermost: the caller is known first, since rate limits are the caller's; then its rate
    // limit is checked, before the request waits for anything.
    let again = from_fn_with_state(app.clone(), again::with_free_ids);
    let working = |routes: OpenApiRouter<AppState>| routes.layer(again.clone()).layer(permits.clone());
    let long = working(long_routes()).layer(bulk_limit.clone());
    let database = working(database_routes()).layer(limit.clone()).merge(long);
    let while_available = from_fn_with_state(app.clone(), middleware::while_available);
    let database = database.layer(while_available.clone()).layer(limited(Policy::Creations));
    let bulk = bulk_routes().layer(bulk_limit).layer(while_available.clone()).layer(limited(Policy::Bulk));
    let streams = stream_routes().layer(limit.clone()).layer(while_available);
    let own = own_routes().layer(limit.clone());
    let guarded = database.merge(bulk).merge(streams).merge(own).layer(known).layer(gate);
    let (guarded, _) = guarded.split_for_parts();
    let api = guarded.clone().with_state(app.clone());
    let (public, _) = public_routes().layer(limit).split_for_parts();
    let routes = guarded.merge(public).merge(documentation);
    enclosed(pages(with_fallbacks(routes), api), app)
}

/// The OpenAPI document, made from the handlers.
pub fn document() -> utoipa::openapi::OpenApi {
    let routes = database_routes().merge(long_routes()).merge(bulk_routes()).merge(stream_routes());
    let routes = routes.merge(own_routes()).merge(public_routes());
    let mut document = openapi::Document::openapi();
    document.merge(routes.into_openapi());
    openapi::complete(&mut document);
    document
}

/// Answers what is no route, or no method of one.
fn with_fallbacks(routes: Router<AppState>) -> Router<AppState> {
    routes.fallback(redirect::follow_with_slash).method_not_allowed_fallback(middleware::wrong_method)
}

/// Puts around routes what every request passes through.
fn enclosed(routes: Router<AppState>, app: AppState) -> Router {
    routes
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn(middleware::one_host))
        .layer(from_fn_with_state(app.clone(), middleware::envelope))
        .with_state(app)
}

/// Routes that cannot answer without the database.
fn database_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::read_user, users::update_user))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(urls::list_urls, urls::create_url))
        .routes(routes!(urls::read_url, urls::update_url, urls::delete_url))
        .routes(routes!(events::list_events, events::create_event))
        .routes(routes!(events::read_event))
        .routes(routes!(replicas::list_replicas))
        .routes(routes!(stats::url_stats))
        .routes(routes!(stats::stats))
}

/// Routes whose work has no bound but the rows of a user: these have the time of an upload.
fn long_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(users::delete_user))
}

/// Routes that take files. Their limits are their own: the file's size, and the time it may take.
fn bulk_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(bulk::import_users))
        .routes(routes!(bulk::import_urls))
        .routes(routes!(bulk::import_events))
        .layer(DefaultBodyLimit::disable())
}

/// Routes whose answers do not end: they are bounded in number, and hold no permit.
fn stream_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(stream::stream_events))
}

/// Routes behind the gate that do without the database.
fn own_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics::metrics)).routes(routes!(me::me))
}

/// Routes for everyone, which decide by themselves what to answer without the database.
fn public_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(redirect::follow_under_urls))
        .routes(routes!(redirect::follow))
}

#[cfg(test)]
mod tests;
