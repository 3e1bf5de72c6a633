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

/// The process is alive.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    status: Alive,
    /// The program's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit that it was built from, or `unknown`.
    #[schema(example = "0123456789abcdef0123456789abcdef01234567")]
    commit: &'static str,
}

/// Whether this replica should get traffic.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `degraded`: the database was lost or takes no changes, and what can be served is.
    status: Traffic,
    /// The reasons for the status.
    checks: Checks,
}

/// What a replica can serve.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// All.
    Ready,
    /// What needs no database.
    Degraded,
}

/// The status of a process that answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Alive {
    /// The only one.
    Ok,
}

/// The reasons for a readiness.
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
    /// Its result.
    status: Outcome,
    /// A stable word for the failure; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<&'static str>,
    /// The failure in words, for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// The result of a check.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Failing,
}

/// Not ready: the error shape with the checks beside it.
#[derive(Debug, Serialize, ToSchema)]
struct NotReady {
    #[serde(flatten)]
    problem: Problem,
    checks: Checks,
}

/// Whether the process is alive.
///
/// Asks nothing of the database.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses((status = 200, description = "It is alive", body = Health)),
)]
pub async fn health() -> Json<Health> {
    let commit = option_env!("BUOY_COMMIT").unwrap_or("unknown");
    Json(Health { status: Alive::Ok, version: env!("CARGO_PKG_VERSION"), commit })
}

/// Whether this replica should get traffic, by what it knows in the background.
///
/// A database that was lost after it was once there does not fail it: every replica would leave the balancer together.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "health",
    responses(
        (status = 200, description = "Ready, or degraded", body = Readiness),
        (
            status = 503,
            description = "`not_ready`: the database was never there yet; `draining`: it is shutting down",
            body = NotReady,
            content_type = "application/problem+json",
            examples(
                ("not_ready" = (value = json!({
                    "type": "about:blank", "title": "Service Unavailable", "status": 503, "code": "not_ready",
                    "detail": "The database has not been ready yet: connection refused",
                    "error": "The database has not been ready yet: connection refused",
                    "checks": {
                        "database": {"status": "failing", "code": "unreachable", "reason": "connection refused"},
                        "clicks": {"status": "ok"},
                        "shutdown": {"status": "ok"},
                    },
                }))),
                ("draining" = (value = json!({
                    "type": "about:blank", "title": "Service Unavailable", "status": 503, "code": "draining",
                    "detail": "This replica is shutting down", "error": "This replica is shutting down",
                    "checks": {
                        "database": {"status": "ok"}, "clicks": {"status": "ok"},
                        "shutdown": {"status": "failing", "code": "draining"},
                    },
                }))),
            ),
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
            Json(Readiness { status: Traffic::Degraded, checks }).into_response()
        }
        (false, DatabaseStatus::Ready) if trouble.is_some() => {
            Json(Readiness { status: Traffic::Degraded, checks }).into_response()
        }
        (false, DatabaseStatus::Ready) => Json(Readiness { status: Traffic::Ready, checks }).into_response(),
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
            None => Self { status: Outcome::Ok, code: None, reason: None },
            Some(outage) => {
                Self { status: Outcome::Failing, code: Some(outage.code), reason: Some(outage.reason.clone()) }
            }
        }
    }

    fn clicks(trouble: Option<String>) -> Self {
        match trouble {
            None => Self { status: Outcome::Ok, code: None, reason: None },
            reason => Self { status: Outcome::Failing, code: Some("not_stored"), reason },
        }
    }

    fn shutdown(draining: bool) -> Self {
        let failing = Self { status: Outcome::Failing, code: Some("draining"), reason: None };
        if draining { failing } else { Self { status: Outcome::Ok, code: None, reason: None } }
    }
}
