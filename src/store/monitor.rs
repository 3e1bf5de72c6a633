//! Watches the database in the background and tells, at once and without asking it, whether it can be used.
//!
//! The one home of the `backoff` crate: attempts to connect are spaced exponentially with jitter, without an end.

use std::{future::pending, time::Duration};

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    DatabaseUrl, Result, StoreError, dialect,
    migrate::{SchemaState, needed_version, version_found},
};

/// First pause between two attempts, and the longest: the service is ready within 3 s of its database.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long one attempt may take, and how often and how long a working connection is asked whether it still works.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_millis(500);
const HEARTBEAT_LIMIT: Duration = Duration::from_millis(750);

/// Why the database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// A stable word: `unreachable`, `schema_missing` or `schema_too_old`.
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
    /// It was usable and is not now.
    Lost(Outage),
}

/// A view of the database's status, cheap to clone.
#[derive(Debug, Clone)]
pub struct Availability(watch::Receiver<DatabaseStatus>);

/// Keeps an [`Availability`] true.
#[derive(Debug)]
pub struct Monitor {
    options: Option<Box<PgConnectOptions>>,
    status: watch::Sender<DatabaseStatus>,
}

/// The database refused this program's credentials before it was ever usable: waiting would not mend that.
#[derive(Debug, thiserror::Error)]
#[error("the database refused the credentials of DATABASE_URL: {0}; check its user name and password")]
pub struct Refused(String);

impl Availability {
    /// What is known now.
    pub fn current(&self) -> DatabaseStatus {
        self.0.borrow().clone()
    }

    /// Whether the database can be used now.
    pub fn is_ready(&self) -> bool {
        matches!(*self.0.borrow(), DatabaseStatus::Ready)
    }

    /// Returns when the database can be used; never, where it never can.
    pub async fn ready(&self) {
        let mut status = self.0.clone();
        if status.wait_for(|status| *status == DatabaseStatus::Ready).await.is_err() {
            pending().await
        }
    }
}

impl Monitor {
    /// A monitor for the database at `url`. An embedded database is taken as usable: it was opened already.
    pub fn new(url: &DatabaseUrl) -> (Self, Availability) {
        let (options, first) = match url {
            DatabaseUrl::Sqlite(_) => (None, DatabaseStatus::Ready),
            DatabaseUrl::Postgres(options) => (Some(options.clone()), DatabaseStatus::NeverReady(not_yet())),
        };
        let (status, view) = watch::channel(first);
        (Self { options, status }, Availability(view))
    }

    /// Watches until `stop`.
    ///
    /// # Errors
    /// [`Refused`] where the credentials are wrong and the database was never usable; later that is an outage.
    pub async fn run(self, stop: CancellationToken) -> std::result::Result<(), Refused> {
        let Some(options) = &self.options else {
            stop.cancelled().await;
            return Ok(());
        };
        stop.run_until_cancelled(self.watch(options)).await.unwrap_or(Ok(()))
    }

    async fn watch(&self, options: &PgConnectOptions) -> std::result::Result<(), Refused> {
        loop {
            let connection = self.connect(options).await?;
            self.status.send_replace(DatabaseStatus::Ready);
            tracing::info!("database ready");
            let reason = lost(connection).await;
            tracing::warn!(reason, "database lost");
            self.set_outage(unreachable(reason));
        }
    }

    /// Tries until the database answers with a sufficient schema.
    async fn connect(&self, options: &PgConnectOptions) -> std::result::Result<PgConnection, Refused> {
        let attempt = || async {
            attempt(options).await.map_err(|failure| match failure {
                Failure::Refused(reason) if !self.was_ready() => backoff::Error::permanent(Failure::Refused(reason)),
                failure => backoff::Error::transient(failure),
            })
        };
        let notify = |failure: Failure, pause: Duration| {
            let outage = failure.outage();
            let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(code = outage.code, reason = outage.reason, retry_ms, "database not ready");
            self.set_outage(outage);
        };
        backoff::future::retry_notify(pauses(), attempt, notify)
            .await
            .map_err(|failure| Refused(failure.outage().reason))
    }

    fn was_ready(&self) -> bool {
        !matches!(*self.status.borrow(), DatabaseStatus::NeverReady(_))
    }

    fn set_outage(&self, outage: Outage) {
        self.status.send_modify(|status| {
            *status = match status {
                DatabaseStatus::NeverReady(_) => DatabaseStatus::NeverReady(outage),
                DatabaseStatus::Ready | DatabaseStatus::Lost(_) => DatabaseStatus::Lost(outage),
            };
        });
    }
}

/// How one attempt failed.
#[derive(Debug)]
enum Failure {
    Unreachable(String),
    Refused(String),
    Schema(SchemaState),
}

impl Failure {
    fn outage(&self) -> Outage {
        match self {
            Self::Unreachable(reason) | Self::Refused(reason) => unreachable(reason.clone()),
            Self::Schema(SchemaState::TooOld { version }) => Outage {
                code: "schema_too_old",
                reason: format!(
                    "its schema is at version {version}, this program needs {}: run `buoy migrate`",
                    needed_version()
                ),
            },
            Self::Schema(_) => {
                Outage { code: "schema_missing", reason: "it has no schema yet: run `buoy migrate`".to_owned() }
            }
        }
    }
}

async fn attempt(options: &PgConnectOptions) -> std::result::Result<PgConnection, Failure> {
    let attempt = async {
        let mut connection = options.connect().await.map_err(connect_failure)?;
        let version = sqlx::query_scalar(dialect::SCHEMA_VERSION.postgres).fetch_one(&mut connection).await;
        let version = version_found(version).map_err(|error| Failure::Unreachable(error.to_string()))?;
        match SchemaState::of(version) {
            SchemaState::Sufficient { .. } => Ok(connection),
            state => Err(Failure::Schema(state)),
        }
    };
    timeout(ATTEMPT_LIMIT, attempt)
        .await
        .unwrap_or_else(|_| Err(Failure::Unreachable(format!("no answer within {} s", ATTEMPT_LIMIT.as_secs()))))
}

fn connect_failure(error: sqlx::Error) -> Failure {
    // Class 28: invalid authorization specification.
    match error.as_database_error().and_then(|cause| cause.code()) {
        Some(code) if code.starts_with("28") => Failure::Refused(format!("code {code}")),
        Some(code) => Failure::Unreachable(format!("it answered with code {code}")),
        None => Failure::Unreachable(StoreError::from(error).to_string()),
    }
}

/// Returns when the connection no longer works, with the reason.
async fn lost(mut connection: PgConnection) -> String {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match timeout(HEARTBEAT_LIMIT, connection.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return StoreError::from(error).to_string(),
            Err(_) => return format!("no answer within {} ms", HEARTBEAT_LIMIT.as_millis()),
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(FIRST_PAUSE)
        .with_max_interval(LONGEST_PAUSE)
        .with_multiplier(2.0)
        .with_max_elapsed_time(None)
        .build()
}

fn not_yet() -> Outage {
    unreachable("no connection has been made yet".to_owned())
}

fn unreachable(reason: String) -> Outage {
    Outage { code: "unreachable", reason }
}

/// Waits for the database as [`Monitor`] does, for a command that cannot work without it.
///
/// # Errors
/// Where the credentials are refused, or `limit` passes.
pub async fn wait_for_server(url: &DatabaseUrl, limit: Duration) -> Result<()> {
    let DatabaseUrl::Postgres(options) = url else { return Ok(()) };
    let attempt = || async {
        let connected = timeout(ATTEMPT_LIMIT, options.connect()).await;
        let connected = connected.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
        connected.map(drop).map_err(|error| match connect_failure(error) {
            Failure::Refused(reason) => backoff::Error::permanent(StoreError::Unavailable(Refused(reason).to_string())),
            failure => backoff::Error::transient(StoreError::Unavailable(failure.outage().reason)),
        })
    };
    let notify = |error: StoreError, pause: Duration| {
        let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(%error, retry_ms, "waiting for the database");
    };
    let pauses = ExponentialBackoff { max_elapsed_time: Some(limit), ..pauses() };
    backoff::future::retry_notify(pauses, attempt, notify).await
}
