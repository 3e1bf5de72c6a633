//! The connection beside the pool, on which the monitor watches the database: one that hears of changes, or, where only a pooler
//! in transaction mode is known, one that merely asks whether the database is there.
//!
//! LISTEN belongs to a session, which a pooler does not give: notifications would be lost without a sign. A process without a
//! direct address therefore never counts what it remembers as true, see [`Observer::deaf`].

use std::time::Duration;

use sqlx::{Executor as _, postgres::PgPoolOptions};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    Observer,
    listener::{BEAT, Listener, ROLL_CALL, SILENCE, knock, silent},
    replicas,
};
use crate::db::{Connections, Peers, Server, StoreError, dialect};

/// A working connection to the database.
pub(super) enum Watch {
    /// Hears of changes.
    Hearing(Listener),
    /// Cannot.
    Deaf(Deaf),
}

/// A connection through a pooler.
pub(super) struct Deaf {
    connections: Connections,
    last_answer: Instant,
    next_roll_call: Instant,
}

impl Watch {
    /// The newest migration applied.
    pub(super) async fn schema_version(&mut self) -> sqlx::Result<Option<i64>> {
        match self {
            Self::Hearing(listener) => listener.schema_version().await,
            Self::Deaf(deaf) => sqlx::query_scalar(dialect::SCHEMA_VERSION.postgres).fetch_one(&deaf.connections).await,
        }
    }

    /// Enters this process in the table of replicas.
    pub(super) async fn enter(&mut self, peers: &Peers, observer: &dyn Observer) -> sqlx::Result<()> {
        match self {
            Self::Hearing(listener) => listener.enter(peers, observer).await,
            Self::Deaf(deaf) => {
                replicas::prune(&deaf.connections).await?;
                deaf.roll_call(peers, observer).await
            }
        }
    }

    /// Leaves the table of replicas.
    pub(super) async fn leave(&mut self, peers: &Peers) -> sqlx::Result<()> {
        match self {
            Self::Hearing(listener) => listener.leave(peers).await,
            Self::Deaf(deaf) => replicas::disappear(&deaf.connections, peers.own()).await,
        }
    }

    /// Tells the observer that changes are heard from now on, where they are.
    pub(super) fn welcome(&self, observer: &dyn Observer) {
        if let Self::Hearing(_) = self {
            observer.connected();
        }
    }

    /// Watches until the connection no longer works; answers why.
    pub(super) async fn listen(&mut self, peers: &Peers, observer: &dyn Observer) -> String {
        match self {
            Self::Hearing(listener) => listener.listen(peers, observer).await,
            Self::Deaf(deaf) => deaf.watch(peers, observer).await,
        }
    }
}

impl Deaf {
    /// Connects to a pooler.
    pub(super) async fn connect(server: &Server, limit: Duration) -> sqlx::Result<Self> {
        let options = server.queries(SILENCE);
        knock(&options).await?;
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limit).max_lifetime(None).idle_timeout(None);
        let pool = pool.test_before_acquire(false).connect_lazy_with(options.application_name("buoy watcher"));
        let connections = Connections::new(pool, server.opening(SILENCE));
        let now = Instant::now();
        let mut deaf = Self { connections, last_answer: now, next_roll_call: now };
        deaf.ask().await?;
        Ok(deaf)
    }

    async fn watch(&mut self, peers: &Peers, observer: &dyn Observer) -> String {
        self.last_answer = Instant::now();
        loop {
            sleep_until(self.last_answer + BEAT).await;
            let limit = self.last_answer + SILENCE;
            let answered = async {
                if Instant::now() >= self.next_roll_call {
                    self.roll_call(peers, observer).await
                } else {
                    self.ask().await
                }
            };
            let answered = timeout_at(limit, answered).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            if let Err(error) = answered.map_err(silent) {
                return StoreError::from(error).to_string();
            }
            self.last_answer = Instant::now();
            // Nothing is used that could be stale, so nothing is behind.
            peers.hears();
        }
    }

    async fn ask(&mut self) -> sqlx::Result<()> {
        self.connections.execute(sqlx::raw_sql("SELECT 1")).await.map(drop)
    }

    async fn roll_call(&mut self, peers: &Peers, observer: &dyn Observer) -> sqlx::Result<()> {
        replicas::appear(&self.connections, peers.own(), observer.name(), &observer.totals()).await?;
        self.next_roll_call = Instant::now() + ROLL_CALL;
        Ok(())
    }
}
