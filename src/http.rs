//! The HTTP side: the router and what stands around it.
//!
//! Promises: every answer that is not a success has the one error shape; every request has an id and one log line;
//! nothing of SQL, paths or causes reaches a client. Leaves out: what the answers mean, which is the floors' below.

pub mod access;
pub mod client_address;
pub mod error;
pub mod extract;
pub mod field;
pub mod idempotency;
pub mod limits;
pub mod list;
pub mod middleware;
pub mod openapi;
pub mod permits;
mod portions;
pub mod routes;
pub mod server;
pub mod upload;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

pub use self::error::{Error, Problem};
use self::routes::{bulk, events, health, keys, metrics, redirect, replicas, stats, urls, users};
use crate::{domain::Policy, state::AppState};

/// The routes in groups, each of which has layers of its own.
struct Groups {
    /// Routes that cannot answer without the database.
    database: Router<AppState>,
    /// Routes that take files. Their limits are their own: the file's size, and the time it may take.
    bulk: Router<AppState>,
    /// Routes behind the gate that do without the database.
    own: Router<AppState>,
    /// Routes for everyone, which decide by themselves what to answer without the database.
    public: Router<AppState>,
}

/// Every route, ready to be served.
pub fn router(app: AppState) -> Router {
    let (Groups { database, bulk, own, public }, document) = api();
    let documentation: Router<AppState> = SwaggerUi::new("/docs").url("/openapi.json", document).into();
    let limit = from_fn_with_state(app.settings.request_timeout, middleware::time_limit);
    let bulk_limit = from_fn_with_state(app.settings.bulk_timeout, middleware::time_limit);
    let gate = from_fn_with_state(app.clone(), access::gate);
    let permits = from_fn_with_state(app.clone(), permits::permits);
    let limited = |policy| from_fn_with_state((app.clone(), policy), limits::limited);
    // The last layer is the outermost: the caller is known first, since rate limits are the caller's; then its rate limit is
    // checked, before the request waits for anything.
    let database = database.layer(permits).layer(limit.clone());
    let while_available = from_fn_with_state(app.clone(), middleware::while_available);
    let database = database.layer(while_available.clone()).layer(limited(Policy::Creations));
    let bulk = bulk.layer(bulk_limit).layer(while_available).layer(limited(Policy::Bulk));
    let guarded = database.merge(bulk).merge(own.layer(limit.clone())).layer(gate);
    let routes = guarded.merge(public.layer(limit)).merge(documentation);
    enclosed(routes, app)
}

/// The OpenAPI document, made from the handlers.
pub fn document() -> utoipa::openapi::OpenApi {
    api().1
}

/// Puts around routes what every request passes through.
fn enclosed(routes: Router<AppState>, app: AppState) -> Router {
    routes
        .fallback(redirect::follow_with_slash)
        .method_not_allowed_fallback(middleware::wrong_method)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn(middleware::one_host))
        .layer(from_fn_with_state(app.clone(), middleware::envelope))
        .with_state(app)
}

/// Every route once, and the OpenAPI document of them all.
fn api() -> (Groups, utoipa::openapi::OpenApi) {
    let mut document = openapi::Document::openapi();
    let mut group = |routes: OpenApiRouter<AppState>| {
        let (router, part) = routes.split_for_parts();
        document.merge(part);
        router
    };
    let groups = Groups {
        database: group(database_routes()),
        bulk: group(bulk_routes()),
        own: group(OpenApiRouter::new().routes(routes!(metrics::metrics))),
        public: group(public_routes()),
    };
    openapi::complete(&mut document);
    (groups, document)
}

fn database_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::read, users::update, users::delete))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(urls::list, urls::create))
        .routes(routes!(urls::read, urls::update, urls::delete))
        .routes(routes!(events::list, events::create))
        .routes(routes!(events::read))
        .routes(routes!(replicas::list))
        .routes(routes!(stats::of_url))
        .routes(routes!(stats::of_all))
}

fn bulk_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(bulk::users))
        .routes(routes!(bulk::urls))
        .routes(routes!(bulk::events))
        .layer(DefaultBodyLimit::disable())
}

fn public_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(redirect::follow_under_urls))
        .routes(routes!(redirect::follow))
}

#[cfg(test)]
mod tests;
