//! Liveness and readiness, apart. Neither asks the database.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    fleet::{DatabaseStatus, Outage},
    http::{Error, Problem},
    state::AppState,
};

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The program's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit that it was built from, `unknown` if the build was not told.
    #[schema(example = "0123456789abcdef0123456789abcdef01234567")]
    commit: &'static str,
}

/// Whether this replica should get traffic.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`, or `degraded`: the database was lost or takes no changes, and what can be served is.
    #[schema(example = "ready")]
    status: &'static str,
    /// What the status was made from.
    checks: Checks,
}

/// What readiness was made from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    /// The database, as the background monitor last saw it.
    database: Check,
    /// Whether clicks can be stored. Until then they wait in memory.
    clicks: Check,
    /// Whether this process is shutting down.
    shutdown: Check,
}

/// One check.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// `ok` or `failing`.
    #[schema(example = "ok")]
    status: &'static str,
    /// A stable word for what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// What is wrong, for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Not ready: the error shape with the checks beside it.
#[derive(Debug, Serialize, ToSchema)]
struct NotReady {
    #[serde(flatten)]
    problem: Problem,
    checks: Checks,
}

/// Says that the process lives. Asks nothing.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses((status = 200, description = "It lives", body = Health)),
)]
pub async fn health() -> Json<Health> {
    let commit = option_env!("BUOY_COMMIT").unwrap_or("unknown");
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION"), commit })
}

/// Says whether this replica should get traffic, from state kept in the background.
///
/// A database lost after it was once there does not fail it: every replica would leave the balancer together.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "health",
    responses(
        (status = 200, description = "Ready, or degraded", body = Readiness),
        (
            status = 503,
            description = "Never yet ready, or shutting down",
            body = NotReady,
            content_type = "application/problem+json",
        ),
    ),
)]
pub async fn ready(State(app): State<AppState>) -> Response {
    let database = app.availability.current();
    let draining = app.draining.is_cancelled();
    let outage = match &database {
        DatabaseStatus::Ready => None,
        DatabaseStatus::NeverReady(outage) | DatabaseStatus::WithoutListener(outage) | DatabaseStatus::Lost(outage) => {
            Some(outage)
        }
    };
    let trouble = app.clicks.ledger().trouble();
    let clicks = Check::clicks(trouble.clone());
    let checks = Checks { database: Check::database(outage), clicks, shutdown: Check::shutdown(draining) };
    match (draining, database) {
        (true, _) => not_ready("draining", "This replica is shutting down", checks),
        (false, DatabaseStatus::NeverReady(outage)) => {
            let detail = format!("The database has not been ready yet: {}", outage.reason);
            not_ready("not_ready", detail, checks)
        }
        (false, DatabaseStatus::WithoutListener(_) | DatabaseStatus::Lost(_)) => {
            Json(Readiness { status: "degraded", checks }).into_response()
        }
        (false, DatabaseStatus::Ready) if trouble.is_some() => {
            Json(Readiness { status: "degraded", checks }).into_response()
        }
        (false, DatabaseStatus::Ready) => Json(Readiness { status: "ready", checks }).into_response(),
    }
}

fn not_ready(code: &'static str, detail: impl Into<String>, checks: Checks) -> Response {
    let error = Error::unavailable(code, detail.into());
    let body = NotReady { problem: error.problem(), checks };
    let mut response = error.into_response();
    if let Ok(body) = serde_json::to_vec(&body) {
        *response.body_mut() = body.into();
    }
    debug_assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    response
}

impl Check {
    fn database(outage: Option<&Outage>) -> Self {
        match outage {
            None => Self { status: "ok", code: None, reason: None },
            Some(outage) => Self { status: "failing", code: Some(outage.code), reason: Some(outage.reason.clone()) },
        }
    }

    fn clicks(trouble: Option<String>) -> Self {
        match trouble {
            None => Self { status: "ok", code: None, reason: None },
            reason => Self { status: "failing", code: Some("not_stored"), reason },
        }
    }

    fn shutdown(draining: bool) -> Self {
        let failing = Self { status: "failing", code: Some("draining"), reason: None };
        if draining { failing } else { Self { status: "ok", code: None, reason: None } }
    }
}
