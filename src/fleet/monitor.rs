//! Watches the database in the background and tells, immediately and without a query, whether it can be used.
//!
//! The one home of the `backoff` crate: attempts to connect are spaced exponentially with jitter, without an end.

use std::{sync::Arc, time::Duration};

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use sqlx::ConnectOptions as _;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Availability, DatabaseStatus, Observer, Outage, connect_failure::Failure, listener::Listener};
use crate::db::{
    Peers, ReplaceablePool, Result, Server, Store, StoreError,
    address::IS_A_POOLER,
    dialect,
    migrate::{SchemaState, version_found},
};

/// First pause between two attempts, and the longest: the service is ready within 3 s of its database.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long one attempt may take.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
/// The timeout of the attempt that follows immediately when a connection is lost. Until it fails nothing is declared
/// lost: if only this one connection was cut, requests do not notice.
const SECOND_CHANCE: Duration = Duration::from_millis(200);

/// Keeps an [`Availability`] true, and the replicas in touch.
pub struct Monitor {
    server: Option<Monitored>,
    status: watch::Sender<DatabaseStatus>,
}

/// What a monitor needs to know of PostgreSQL.
struct Monitored {
    server: Arc<Server>,
    pool: ReplaceablePool,
    peers: Arc<Peers>,
    observer: Arc<dyn Observer>,
}

/// The configuration did not fit the database before it was ever usable: waiting would not mend that.
#[derive(Debug, thiserror::Error)]
#[error("the database {place} cannot be used as configured: {reason}")]
pub struct Refused {
    place: String,
    reason: String,
}

impl Refused {
    fn of(server: &Server, failure: &Failure) -> Self {
        Self { place: server.place(), reason: failure.outage().reason }
    }
}

impl Monitor {
    /// A monitor for the database of `store`, which tells `observer` of changes. An embedded database is taken as
    /// usable, since it was opened already; it has no changes to tell of.
    pub fn new(store: &Store, observer: Arc<dyn Observer>) -> (Self, Availability) {
        let (server, first) = match store.clone() {
            Store::Postgres { server, pool, peers } => {
                (Some(Monitored { server, pool, peers, observer }), DatabaseStatus::NeverReady(Outage::not_yet()))
            }
            Store::Sqlite { .. } => (None, DatabaseStatus::Ready),
        };
        let (status, view) = watch::channel(first);
        (Self { server, status }, Availability::new(view))
    }

    /// Watches until `stop`.
    ///
    /// # Errors
    /// [`Refused`] if the credentials, the certificate or the address are wrong and the database was never usable;
    /// later that is an outage.
    pub async fn run(self, stop: CancellationToken) -> std::result::Result<(), Refused> {
        let Some(server) = &self.server else {
            stop.cancelled().await;
            return Ok(());
        };
        loop {
            let Some(connected) = stop.run_until_cancelled(self.connect(server)).await else { return Ok(()) };
            let mut listener = connected?;
            loop {
                self.status.send_replace(DatabaseStatus::Ready);
                server.observer.connected();
                let Some(reason) = stop.run_until_cancelled(listener.listen(&server.peers, &*server.observer)).await
                else {
                    server.leave(listener).await;
                    return Ok(());
                };
                server.observer.cut_off();
                tracing::warn!(reason, "connection for changes lost");
                match server.attempt(SECOND_CHANCE).await {
                    Ok(again) => listener = again,
                    Err(failure) => {
                        self.lose(server, &failure);
                        break;
                    }
                }
            }
        }
    }

    /// Declares the database lost, unless it answered.
    fn lose(&self, server: &Monitored, failure: &Failure) {
        let outage = failure.outage();
        if failure.serves() {
            tracing::warn!(code = outage.code, reason = outage.reason, "no connection for changes");
        } else {
            tracing::warn!(code = outage.code, reason = outage.reason, "database lost");
            server.pool.replace();
        }
        self.set_outage(failure);
    }

    /// Tries until the database answers with a sufficient schema.
    async fn connect(&self, server: &Monitored) -> std::result::Result<Listener, Refused> {
        let attempt = || async {
            server.attempt(ATTEMPT_LIMIT).await.map_err(|failure| match failure {
                Failure::Refused(reason) if !self.was_ready() => backoff::Error::permanent(Failure::Refused(reason)),
                failure => backoff::Error::transient(failure),
            })
        };
        let notify = |failure: Failure, pause: Duration| {
            let outage = failure.outage();
            let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            let database = server.server.place();
            tracing::warn!(database, code = outage.code, reason = outage.reason, retry_ms, "database not ready");
            self.set_outage(&failure);
        };
        let connected = backoff::future::retry_notify(pauses(), attempt, notify).await;
        let listener = connected.map_err(|failure| Refused::of(&server.server, &failure))?;
        tracing::info!(peers = server.peers.count(), "database ready");
        Ok(listener)
    }

    fn was_ready(&self) -> bool {
        !matches!(*self.status.borrow(), DatabaseStatus::NeverReady(_))
    }

    fn set_outage(&self, failure: &Failure) {
        let outage = failure.outage();
        self.status.send_modify(|status| {
            *status = match status {
                // Its schema is known to be sufficient.
                _ if matches!(failure, Failure::ReadOnly) => DatabaseStatus::WithoutListener(outage),
                DatabaseStatus::NeverReady(_) => DatabaseStatus::NeverReady(outage),
                _ if failure.serves() => DatabaseStatus::WithoutListener(outage),
                _ => DatabaseStatus::Lost(outage),
            };
        });
    }
}

impl Monitored {
    /// Connects, checks the schema, and enters the table of replicas.
    async fn attempt(&self, limit: Duration) -> std::result::Result<Listener, Failure> {
        let attempt = async {
            find_way(&self.server, &self.pool).await.map_err(Failure::of_connecting)?;
            let listener = Listener::connect(&self.server.direct(), &self.peers, limit).await;
            let mut listener = listener.map_err(Failure::of_connecting)?;
            if !listener.is_direct().await.map_err(Failure::of_connecting)? {
                return Err(Failure::Refused(IS_A_POOLER.to_owned()));
            }
            let version = version_found(listener.schema_version().await);
            let version = version.map_err(|error| Failure::Unreachable(error.to_string()))?;
            let state = SchemaState::of(version);
            if !matches!(state, SchemaState::Sufficient { .. }) {
                return Err(Failure::Schema(state));
            }
            listener.enter(&self.peers, &*self.observer).await.map_err(Failure::of_connecting)?;
            Ok(listener)
        };
        let attempt = async {
            match attempt.await {
                Err(Failure::ReadOnly) => Err(self.read_only().await),
                other => other,
            }
        };
        let timed_out = || Err(Failure::Unreachable(format!("no answer within {} ms", limit.as_millis())));
        timeout(limit, attempt).await.unwrap_or_else(|_| timed_out())
    }

    /// What a database is good for that takes no changes, so that the listener could not begin.
    async fn read_only(&self) -> Failure {
        let version = sqlx::query_scalar(dialect::SCHEMA_VERSION.postgres).fetch_one(&self.pool.current()).await;
        match version_found(version).map(SchemaState::of) {
            Ok(SchemaState::Sufficient { .. }) => Failure::ReadOnly,
            Ok(state) => Failure::Schema(state),
            Err(error) => Failure::Unreachable(error.to_string()),
        }
    }

    /// Tells the other replicas not to wait for this one any more.
    async fn leave(&self, mut listener: Listener) {
        // If that fails, they notice the missing heartbeat within three seconds.
        timeout(SECOND_CHANCE, listener.leave(&self.peers)).await.ok();
    }
}

/// Finds out whether the server accepts connections, before a pool would try a refused one until its timeout and not
/// say why. The pool is replaced if there is a new way to the server.
async fn find_way(server: &Server, pool: &ReplaceablePool) -> sqlx::Result<()> {
    if server.find_way().await? {
        pool.replace();
    }
    Ok(())
}

fn pauses() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(FIRST_PAUSE)
        .with_max_interval(LONGEST_PAUSE)
        .with_multiplier(2.0)
        .with_max_elapsed_time(None)
        .build()
}

/// Waits for the database as [`Monitor`] does, for a command that cannot work without it.
///
/// # Errors
/// If the credentials, the certificate or the address are refused, or `limit` passes.
pub async fn wait_for_server(store: &Store, limit: Duration) -> Result<()> {
    let Store::Postgres { server, pool, .. } = store else { return Ok(()) };
    let connect = async || {
        find_way(server, pool).await?;
        server.direct().connect().await
    };
    let attempt = || async {
        let connected = timeout(ATTEMPT_LIMIT, connect()).await;
        let connected = connected.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
        connected.map(drop).map_err(|error| match Failure::of_connecting(error) {
            failure @ Failure::Refused(_) => {
                backoff::Error::permanent(StoreError::Forbidden(Refused::of(server, &failure).to_string()))
            }
            failure => {
                let (place, reason) = (server.place(), failure.outage().reason);
                let what = format!(
                    "{place}: {reason}. Check DATABASE_URL, that the database runs, and that its \
                    trusted sources or firewall let this machine in"
                );
                backoff::Error::transient(StoreError::Unavailable(what))
            }
        })
    };
    let notify = |error: StoreError, pause: Duration| {
        let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(%error, retry_ms, "waiting for the database");
    };
    let pauses = ExponentialBackoff { max_elapsed_time: Some(limit), ..pauses() };
    backoff::future::retry_notify(pauses, attempt, notify).await
}
