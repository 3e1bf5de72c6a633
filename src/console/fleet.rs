//! The fleet: replicas at work, the ledger of their clicks, and what `buoy doctor` finds.

use std::{pin::Pin, sync::Arc, time::Duration};

use askama::Template;
use axum::{Extension, http::StatusCode, response::Response};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    fault::Fault,
    format::{When, number},
    frame::{Frame, Section, show},
    visit::Visit,
};
use crate::domain::{Scope, clock::Timestamp};

/// How long an examination may take, the wait for another one included.
const LIMIT: Duration = Duration::from_secs(15);

/// What an examination of the environment found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// `ok`, `warn` or `fail`.
    pub status: &'static str,
    /// What was found.
    pub found: String,
    /// The remedy, if one is needed.
    pub mend: Option<String>,
}

/// Examines the environment.
pub type Examine = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send>> + Send + Sync>;

/// The examination, one at a time: each opens a connection to the database.
#[derive(Clone)]
pub(super) struct Doctor(Examine, Arc<Semaphore>);

impl Doctor {
    pub(super) fn new(examine: Examine) -> Self {
        Self(examine, Arc::new(Semaphore::new(1)))
    }
}

#[derive(Debug, Deserialize)]
struct Replica {
    id: String,
    name: String,
    version: String,
    started_at: Timestamp,
    last_seen_at: Timestamp,
    totals: Totals,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Totals {
    #[serde(default)]
    clicks_accepted: i64,
    #[serde(default)]
    clicks_stored: i64,
    #[serde(default)]
    clicks_lost: i64,
}

impl Totals {
    fn waiting(self) -> i64 {
        self.clicks_accepted - self.clicks_stored - self.clicks_lost
    }
}

/// A replica as the page shows it.
struct Row {
    name: String,
    is_this: bool,
    version: String,
    started: When,
    seen: When,
    is_late: bool,
    accepted: String,
    waiting: String,
    lost: String,
}

/// The ledger of all replicas.
struct Ledger {
    accepted: String,
    stored: String,
    lost: String,
    waiting: String,
    has_lost: bool,
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct FleetPage {
    frame: Frame,
    rows: Vec<Row>,
    versions: usize,
    ledger: Ledger,
    /// Milliseconds since this replica last heard of changes; none for one that is alone.
    lag: Option<u128>,
    degraded: Option<String>,
}

/// The page.
pub(super) async fn page(visit: Visit) -> Result<Response, Fault> {
    let replicas: Vec<Replica> = visit.read("/replicas").await?;
    let own = visit.app.peers().map(|peers| peers.own().to_owned());
    let mut versions: Vec<&str> = replicas.iter().map(|replica| replica.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let versions = versions.len();
    let sum = |of: fn(&Totals) -> i64| replicas.iter().map(|replica| of(&replica.totals)).sum::<i64>();
    let (accepted, stored) = (sum(|it| it.clicks_accepted), sum(|it| it.clicks_stored));
    let lost = sum(|it| it.clicks_lost);
    let ledger = Ledger {
        accepted: number(accepted),
        stored: number(stored),
        lost: number(lost),
        waiting: number(accepted - stored - lost),
        has_lost: lost > 0,
    };
    let is_alone = replicas.len() == 1;
    let row = |replica: Replica| Row {
        is_this: is_alone || own.as_ref() == Some(&replica.id),
        is_late: (visit.now() - replica.last_seen_at).num_seconds() > 3,
        started: When::new(replica.started_at, visit.now()),
        seen: When::new(replica.last_seen_at, visit.now()),
        accepted: number(replica.totals.clicks_accepted),
        waiting: number(replica.totals.waiting()),
        lost: number(replica.totals.clicks_lost),
        name: replica.name,
        version: replica.version,
    };
    let rows = replicas.into_iter().map(row).collect();
    let lag = visit.app.peers().map(|peers| peers.since_heard().as_millis());
    let degraded = visit.app.availability.outage().map(|outage| outage.reason.clone());
    show(&FleetPage { frame: Frame::new(&visit, Section::Fleet), rows, versions, ledger, lag, degraded })
}

#[derive(Template)]
#[template(path = "findings.html")]
struct FindingsPage {
    frame: Frame,
    findings: Vec<Finding>,
}

/// What an examination finds now.
pub(super) async fn findings(visit: Visit, Extension(doctor): Extension<Doctor>) -> Result<Response, Fault> {
    if !visit.may(Scope::Admin) {
        return Err(Fault::new(StatusCode::FORBIDDEN, "scope_missing", "This needs the administrator"));
    }
    let examined = async {
        // The semaphore is never closed.
        let _one = doctor.1.acquire().await.ok();
        (doctor.0)().await
    };
    let busy = || Fault::new(StatusCode::SERVICE_UNAVAILABLE, "request_timeout", "The examination takes too long");
    let findings = timeout(LIMIT, examined).await.map_err(|_| busy())?;
    show(&FindingsPage { frame: Frame::new(&visit, Section::Fleet), findings })
}
