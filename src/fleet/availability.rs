//! Whether the database can be used now: a view of what the monitor knows, which is read without asking the database.

use std::{future::pending, time::Duration};

use tokio::{sync::watch, time::timeout};

/// Until the first attempt to connect has succeeded or failed.
const CONNECTING: &str = "connecting";

/// Why the database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// A stable word: `connecting`, `unreachable`, `refusing`, `read_only`, `schema_missing` or `schema_too_old`.
    pub code: &'static str,
    /// A sentence for the operator, without secrets.
    pub reason: String,
}

/// What is known of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseStatus {
    /// It has not been usable since this process started.
    NeverReady(Outage),
    /// It answers, and has the schema that this version needs.
    Ready,
    /// Requests may use it, but the listener cannot: it has no connection left, or takes no changes.
    WithoutListener(Outage),
    /// It was usable and is not now.
    Lost(Outage),
}

/// A view of the database's status, cheap to clone.
#[derive(Debug, Clone)]
pub struct Availability(watch::Receiver<DatabaseStatus>);

impl Availability {
    /// What is known now.
    pub fn current(&self) -> DatabaseStatus {
        self.0.borrow().clone()
    }

    /// Why the database cannot be used now; none if it can.
    pub fn outage(&self) -> Option<Outage> {
        match &*self.0.borrow() {
            DatabaseStatus::Ready | DatabaseStatus::WithoutListener(_) => None,
            DatabaseStatus::NeverReady(outage) | DatabaseStatus::Lost(outage) => Some(outage.clone()),
        }
    }

    /// Waits until the first attempt to connect has succeeded or failed, for `limit` at most: a process that has just
    /// started need not send anybody away.
    pub async fn first_attempt(&self, limit: Duration) {
        let tried = |status: &DatabaseStatus| match status {
            DatabaseStatus::NeverReady(outage) => outage.code != CONNECTING,
            _ => true,
        };
        if !tried(&self.0.borrow()) {
            // Past the limit, and if the monitor is gone, the status speaks for itself.
            timeout(limit, self.0.clone().wait_for(tried)).await.ok();
        }
    }

    /// Returns when the database cannot be used; never, while it can.
    pub async fn lost(&self) -> Outage {
        let mut status = self.0.clone();
        loop {
            if let Some(outage) = self.outage() {
                return outage;
            }
            if status.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// A view of a status that changes with `status`.
    pub(super) fn new(status: watch::Receiver<DatabaseStatus>) -> Self {
        Self(status)
    }
}

impl Outage {
    /// Before the first attempt to connect has ended.
    pub(super) fn not_yet() -> Self {
        Self { code: CONNECTING, reason: "the first attempt to connect is still being made".to_owned() }
    }
}
