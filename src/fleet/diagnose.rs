//! A look at the database from outside, for `buoy doctor`: one connection, nothing changed, whatever is wrong reported.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use sqlx::{FromRow, postgres::PgPoolOptions};

use super::{connect_failure::Failure, replicas};
use crate::{
    db::{
        Connections, Result, Server,
        address::{self, IS_A_POOLER},
        dialect,
        migrate::{SchemaState, version_found},
        privileges::{self, Standing},
        sequences::{self, SequenceFault},
    },
    domain::{Clock, clock::Timestamp},
};

const ABOUT: &str = r"
    SELECT
        current_setting('server_version')::text AS version,
        (SELECT s.version::text FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_backend_pid() AND s.ssl) AS tls,
        clock_timestamp() AS now";
/// What PostgreSQL allows at most, less what it reserves for administrators; -1 if a role or database has no limit of
/// its own.
const LIMITS: &str = include_str!("diagnose/limits.sql");

/// The statements of this module, which only PostgreSQL understands.
pub(crate) const STATEMENTS: &[&str] = &[ABOUT, LIMITS];

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// From nothing to a connection that can be used.
    pub connected_in: Duration,
    /// The server's version.
    pub version: String,
    /// The version of TLS between this program and the server, or the pooler and the server; none if nothing is
    /// encrypted.
    pub tls: Option<String>,
    /// How far the database's clock is ahead of this machine's.
    pub clock_ahead: TimeDelta,
    /// How exactly that could be told.
    pub clock_error: Duration,
    /// The schema's version.
    pub schema: SchemaState,
    /// What the role may do.
    pub standing: Standing,
    /// Tables that the role cannot read and write.
    pub out_of_reach: i64,
    /// Connections that the role may have in all.
    pub limit: i64,
    /// Connections of anybody at this moment.
    pub used: i64,
    /// Replicas seen in the last seconds.
    pub replicas: usize,
    /// Sequences whose next id no row can get.
    pub sequences: Vec<SequenceFault>,
}

#[derive(FromRow)]
struct About {
    version: String,
    tls: Option<String>,
    now: Timestamp,
}

#[derive(FromRow)]
struct Limits {
    server: i64,
    role: i64,
    database: i64,
    used: i64,
}

impl Limits {
    fn least(&self) -> i64 {
        [self.server, self.role, self.database].into_iter().filter(|limit| *limit >= 0).min().unwrap_or(self.server)
    }
}

/// Examines the database by its direct address. Nothing takes longer than `limit`.
///
/// # Errors
/// A sentence for the operator, if the database cannot be reached or asked.
pub async fn diagnose(server: &Server, limit: Duration) -> std::result::Result<Diagnosis, String> {
    let too_late = || Err(format!("no answer within {} ms", limit.as_millis()));
    tokio::time::timeout(limit, look(server, limit)).await.unwrap_or_else(|_| too_late())
}

/// Asks a question through the pooler, and answers how long that took.
///
/// # Errors
/// As [`diagnose`].
pub async fn diagnose_pooler(server: &Server, limit: Duration) -> std::result::Result<Duration, String> {
    let began = Instant::now();
    let asked = async {
        let connections = one(server, false, limit);
        // With a value, so that it is prepared: that is what goes wrong through a pooler.
        sqlx::query_scalar::<_, i64>("SELECT $1").bind(1_i64).fetch_one(&connections).await.map_err(reason)
    };
    let too_late = || Err(format!("no answer within {} ms", limit.as_millis()));
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| too_late()).map(|_| began.elapsed())
}

async fn look(server: &Server, limit: Duration) -> std::result::Result<Diagnosis, String> {
    let began = Instant::now();
    server.find_way().await.map_err(|error| reason(error.into()))?;
    let connections = one(server, true, limit);
    if !address::is_direct(&connections).await.map_err(reason)? {
        return Err(IS_A_POOLER.to_owned());
    }
    let connected_in = began.elapsed();
    let asked = Instant::now();
    let about: About = sqlx::query_as(ABOUT).fetch_one(&connections).await.map_err(reason)?;
    let (ours, clock_error) = (Clock::system().now(), asked.elapsed());
    let limits: Limits = sqlx::query_as(LIMITS).fetch_one(&connections).await.map_err(reason)?;
    let version = sqlx::query_scalar(dialect::SCHEMA_VERSION.postgres).fetch_one(&connections).await;
    let schema = SchemaState::of(version_read(version)?);
    Ok(Diagnosis {
        connected_in,
        version: about.version,
        tls: about.tls,
        clock_ahead: about.now - ours,
        clock_error,
        standing: Standing::of(&connections).await.map_err(reason)?,
        out_of_reach: privileges::out_of_reach(&connections).await.map_err(reason)?,
        limit: limits.least(),
        used: limits.used,
        replicas: living(&connections, schema).await.map_err(|error| error.to_string())?,
        sequences: sequence_faults(&connections, schema).await.map_err(reason)?,
        schema,
    })
}

/// A table of migrations that may not be read tells no version; that it is out of reach is found beside it.
fn version_read(version: sqlx::Result<Option<i64>>) -> std::result::Result<Option<i64>, String> {
    match version {
        Err(error) if is_denied(&error) => Ok(None),
        other => version_found(other).map_err(|error| error.to_string()),
    }
}

/// The replicas of a database that has the table of them.
async fn living(connections: &Connections, schema: SchemaState) -> Result<usize> {
    match schema {
        SchemaState::Sufficient { .. } => Ok(replicas::live(connections).await?.len()),
        SchemaState::Missing | SchemaState::TooOld { .. } => Ok(0),
    }
}

/// What is wrong with the sequences of a database that has them. A role that may not look finds nothing; that it may
/// not is found beside it.
async fn sequence_faults(connections: &Connections, schema: SchemaState) -> sqlx::Result<Vec<SequenceFault>> {
    match schema {
        SchemaState::Sufficient { .. } => match sequences::faults(connections).await {
            Err(error) if is_denied(&error) => Ok(Vec::new()),
            found => found,
        },
        SchemaState::Missing | SchemaState::TooOld { .. } => Ok(Vec::new()),
    }
}

fn is_denied(error: &sqlx::Error) -> bool {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    error.as_database_error().is_some_and(|cause| cause.code().is_some_and(|code| code == INSUFFICIENT_PRIVILEGE))
}

/// One connection, by the direct address or as queries go.
fn one(server: &Server, direct: bool, limit: Duration) -> Connections {
    let options = if direct { server.direct() } else { server.queries(limit) };
    // The diagnosis's own timeout is to end the wait: it says that no server answered, not that connections are scarce.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(2 * limit).test_before_acquire(false);
    Connections::new(pool.connect_lazy_with(options), server.opening(limit).filter(|_| !direct))
}

fn reason(error: sqlx::Error) -> String {
    match error.as_database_error().map(|cause| cause.message().to_owned()) {
        Some(message) => format!("{}: {message}", Failure::of_connecting(error).outage().reason),
        None => Failure::of_connecting(error).outage().reason,
    }
}
