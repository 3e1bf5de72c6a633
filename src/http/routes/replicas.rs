//! `/replicas`: who is at work on the database.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{domain::clock::Timestamp, fleet::Replica, http::Error, state::AppState};

/// A replica seen in the last minute.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replica)]
pub struct ReplicaBody {
    /// A random name, new with each start.
    id: String,
    /// What its answers carry as `X-Replica`.
    name: String,
    /// The program's version.
    #[schema(example = "0.1.0")]
    version: String,
    /// When it first appeared, by the database's clock.
    #[schema(value_type = String, format = DateTime, example = "2026-01-14T12:49:03Z")]
    started_at: Timestamp,
    /// When it was last seen, by the database's clock.
    #[schema(value_type = String, format = DateTime, example = "2026-01-14T12:49:03Z")]
    last_seen_at: Timestamp,
    /// Its counters since it started.
    #[schema(value_type = Object)]
    totals: Box<RawValue>,
}

/// Lists the replicas at work, in the order of their starts.
///
/// With the embedded database there is this one alone.
#[utoipa::path(
    get,
    path = "/replicas",
    tag = "health",
    responses((status = 200, description = "The replicas", body = Vec<ReplicaBody>)),
)]
pub async fn list_replicas(State(app): State<AppState>) -> Result<Json<Vec<ReplicaBody>>, Error> {
    let store = app.reading_store().await?;
    if store.is_embedded() {
        return Ok(Json(vec![itself(&app)?]));
    }
    let replicas = store.replicas().await?;
    Ok(Json(replicas.into_iter().map(ReplicaBody::try_from).collect::<Result<_, _>>()?))
}

/// This process, as the table would show it.
fn itself(app: &AppState) -> Result<ReplicaBody, Error> {
    let name = String::from_utf8_lossy(app.replica.as_bytes()).into_owned();
    ReplicaBody::try_from(Replica {
        id: name.clone(),
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: app.started_at,
        last_seen_at: app.clock.now(),
        totals: app.totals(),
    })
}

impl TryFrom<Replica> for ReplicaBody {
    type Error = Error;

    fn try_from(replica: Replica) -> Result<Self, Error> {
        let Replica { id, name, version, started_at, last_seen_at, totals } = replica;
        let totals = RawValue::from_string(totals).map_err(Error::internal)?;
        Ok(Self { id, name, version, started_at, last_seen_at, totals })
    }
}
