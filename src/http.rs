//! The HTTP side: the router and what stands around it.
//!
//! Promises: every answer that is not a success has the one error shape; every request has an id and one log line;
//! nothing of SQL, paths or causes reaches a client. Leaves out: what the answers mean, which is the floors' below.

pub mod error;
pub mod extract;
pub mod field;
pub mod idempotency;
pub mod list;
pub mod middleware;
pub mod openapi;
pub mod routes;
pub mod server;

use axum::{Router, middleware::from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

pub use self::error::{Error, Problem};
use self::routes::{events, health, redirect, urls, users};
use crate::{
    state::AppState,
    store::{DatabaseStatus, Store},
};

/// Every route, ready to be served.
pub fn router(app: AppState) -> Router {
    let (routes, document) = api().split_for_parts();
    let documentation: Router<AppState> = SwaggerUi::new("/docs").url("/openapi.json", document).into();
    let limit = from_fn_with_state(app.settings.request_timeout, middleware::time_limit);
    routes
        .layer(limit)
        .merge(documentation)
        .fallback(middleware::unknown_route)
        .method_not_allowed_fallback(middleware::wrong_method)
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(app.clone(), middleware::envelope))
        .with_state(app)
}

/// The OpenAPI document, made from the handlers.
pub fn document() -> utoipa::openapi::OpenApi {
    api().split_for_parts().1
}

fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::read, users::update, users::patch, users::delete))
        .routes(routes!(urls::list, urls::create))
        .routes(routes!(urls::read, urls::update, urls::patch, urls::delete))
        .routes(routes!(events::list, events::create))
        .routes(routes!(events::read))
        .routes(routes!(redirect::follow_under_urls))
        .routes(routes!(redirect::follow))
}

impl AppState {
    /// The store, where the database can be used now.
    ///
    /// # Errors
    /// 503 at once where it cannot: nobody waits for what the monitor knows to be away.
    pub fn store(&self) -> Result<&Store, Error> {
        match self.availability.current() {
            DatabaseStatus::Ready => Ok(&self.store),
            DatabaseStatus::NeverReady(outage) | DatabaseStatus::Lost(outage) => Err(Error::outage(&outage)),
        }
    }
}
