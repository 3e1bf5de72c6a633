//! The console: pages for people, under `/console`. What a page shows and changes goes through the API's own routes,
//! within the process, so that there is one place for each rule.
//!
//! Promises: a page makes a fixed number of queries; no cache keeps one; nothing that a stranger wrote is taken for
//! markup; another site's page cannot act in it. Works without script; the scripts in `assets/` add comfort.
//! Leaves out: what may be asked and what it means, which is the API's.

mod assets;
mod fault;
mod flash;
mod fleet;
mod format;
mod frame;
mod guard;
mod help;
mod import;
mod links;
mod owners;
mod posted;
mod preferences;
mod session;
mod sign_in;
mod statistics;
mod users;
mod visit;
mod visitors;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use tower_http::compression::CompressionLayer;

pub use self::fleet::{Examine, Finding};

use crate::state::AppState;

/// All routes, with the pages beside them; `api` is how these ask, and `examine` what the fleet's page shows.
/// Visitors have their pages even if the console is
/// switched off.
pub fn pages(app: &AppState, routes: Router<AppState>, api: Router, examine: Examine) -> Router<AppState> {
    let console = if app.settings.console { console(app, visit::Api(api), examine) } else { Router::new() };
    let assets = Router::new().route("/console/assets/{hash}/{name}", get(assets::asset));
    let own = console.merge(assets).layer(CompressionLayer::new());
    routes.merge(own).layer(from_fn_with_state(app.clone(), visitors::for_people))
}

fn console(app: &AppState, api: visit::Api, examine: Examine) -> Router<AppState> {
    let signed_in = from_fn_with_state((app.clone(), api.clone()), guard::signed_in);
    let limit = DefaultBodyLimit::max(app.settings.body_limit);
    let public = Router::new()
        .route("/console/sign-in", get(sign_in::page))
        .route("/console/session", post(sign_in::sign_in))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/preferences", post(preferences::change))
        .layer(axum::Extension(api));
    private(fleet::Doctor::new(examine)).layer(signed_in).merge(public).layer(limit).layer(from_fn(guard::own_pages))
}

/// Pages for those who are signed in.
fn private(doctor: fleet::Doctor) -> Router<AppState> {
    Router::new()
        .route("/console", get(links::list::page))
        .route("/console/links", post(links::bulk::change))
        .route("/console/links/new", get(links::create::page).post(links::create::create))
        .route("/console/links/{id}", get(links::one::page))
        .route("/console/links/{id}/edit", get(links::edit::page).post(links::edit::change))
        .route("/console/links/{id}/delete", get(links::delete::page).post(links::delete::delete))
        .route("/console/codes", get(links::code::check))
        .route("/console/statistics", get(statistics::all::page))
        .route("/console/users", get(users::list::page).post(users::list::create))
        .route("/console/users/{id}", get(users::one::page).post(users::one::change))
        .route("/console/users/{id}/delete", post(users::one::delete))
        .route("/console/users/{id}/keys", post(users::keys::create))
        .route("/console/users/{id}/keys/{key}/revoke", post(users::keys::revoke))
        .route("/console/import", get(import::page))
        .route("/console/import/{kind}", post(import::import).layer(DefaultBodyLimit::disable()))
        .route("/console/fleet", get(fleet::page))
        .route("/console/fleet/findings", get(fleet::findings).layer(axum::Extension(doctor)))
        .route("/console/help", get(help::page))
}
