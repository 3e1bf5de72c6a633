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
pub mod routes;
pub mod server;
pub mod upload;

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

pub use self::error::{Error, Problem};
use self::routes::{bulk, events, health, keys, metrics, redirect, replicas, stats, urls, users};
use crate::{limits::Policy, state::AppState};

/// Every route, ready to be served.
pub fn router(app: AppState) -> Router {
    let (with_database, mut document) = database_api().split_for_parts();
    let (bulk, rest) = bulk_api().split_for_parts();
    document.merge(rest);
    let (own, rest) = own_api().split_for_parts();
    document.merge(rest);
    let (public, rest) = public_api().split_for_parts();
    document.merge(rest);
    openapi::tell_needs(&mut document);
    let documentation: Router<AppState> = SwaggerUi::new("/docs").url("/openapi.json", document).into();
    let limit = from_fn_with_state(app.settings.request_timeout, middleware::time_limit);
    let bulk_limit = from_fn_with_state(app.settings.bulk_timeout, middleware::time_limit);
    let gate = from_fn_with_state(app.clone(), access::gate);
    let turns = from_fn_with_state(app.clone(), limits::turns);
    let creations = |policy| from_fn_with_state((app.clone(), policy), limits::creations);
    // The last layer is the outermost. Who calls is asked first, as budgets are the caller's; then the budget, before anything is
    // waited for.
    let with_database = with_database.layer(turns).layer(limit.clone());
    let while_available = from_fn_with_state(app.clone(), middleware::while_available);
    let with_database = with_database.layer(while_available.clone()).layer(creations(Policy::Creations));
    let bulk = bulk.layer(bulk_limit).layer(while_available).layer(creations(Policy::Bulk));
    let guarded = with_database.merge(bulk).merge(own.layer(limit.clone())).layer(gate);
    let routes = guarded.merge(public.layer(limit)).merge(documentation);
    enclosed(routes, app)
}

/// Puts around routes what every request passes through.
fn enclosed(routes: Router<AppState>, app: AppState) -> Router {
    routes
        .fallback(middleware::unknown_route)
        .method_not_allowed_fallback(middleware::wrong_method)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(app.clone(), middleware::envelope))
        .with_state(app)
}

/// The OpenAPI document, made from the handlers.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = database_api().split_for_parts().1;
    document.merge(bulk_api().split_for_parts().1);
    document.merge(own_api().split_for_parts().1);
    document.merge(public_api().split_for_parts().1);
    openapi::tell_needs(&mut document);
    document
}

/// Routes that work with the database and cannot do without it.
fn database_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::read, users::update, users::patch, users::delete))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(urls::list, urls::create))
        .routes(routes!(urls::read, urls::update, urls::patch, urls::delete))
        .routes(routes!(events::list, events::create))
        .routes(routes!(events::read))
        .routes(routes!(replicas::list))
        .routes(routes!(stats::of_url))
        .routes(routes!(stats::of_all))
}

/// Routes that take in files. Their limits are their own: the file's size, and the time it may take.
fn bulk_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(bulk::users))
        .routes(routes!(bulk::urls))
        .routes(routes!(bulk::events))
        .layer(DefaultBodyLimit::disable())
}

/// Routes that are not for everyone and do without the database.
fn own_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics::metrics))
}

/// Routes for everyone, which know by themselves what to do without the database. No gate stands before them.
fn public_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(redirect::follow_under_urls))
        .routes(routes!(redirect::follow))
}

#[cfg(test)]
mod tests;
