//! What is left of the budgets that replicas share: a pot for each client that used one lately, see [`crate::limits`] for the reason.
//!
//! Promises: one statement takes from, and gives back to, any number of pots, in the order of their keys, so that replicas
//! never deadlock; nothing is granted that a pot does not hold; a pot that is full has no row. Times are the database's own.
//! Only PostgreSQL has replicas. Leaves out: who is meant by a subject, which is a keyed hash here.

use sqlx::FromRow;

use crate::db::{Result, Store};

/// Each pot fills at its rate. First what was minted elsewhere is charged (below zero only as far as it was), or what is
/// returned put back; then what is left is granted. The change is added to `full_at`, not put in its place: two replicas that are
/// the first to ask at once both count.
const EXCHANGE: &str = "\
    WITH ask AS (SELECT a.policy, a.subject, a.wanted, a.charge, a.capacity, a.rate \
                 FROM unnest($1::smallint[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[]) \
                 AS a (policy, subject, wanted, charge, capacity, rate)), \
    known AS (SELECT p.policy, p.subject, p.full_at FROM limit_pots p \
              JOIN ask ON ask.policy = p.policy AND ask.subject = p.subject \
              ORDER BY p.policy, p.subject FOR UPDATE OF p), \
    level AS (SELECT ask.policy, ask.subject, ask.wanted, ask.charge, ask.capacity, ask.rate, ask.capacity - ask.rate \
              * greatest(0, coalesce(extract(epoch FROM known.full_at - clock_timestamp()), 0))::float8 AS before \
              FROM ask LEFT JOIN known ON known.policy = ask.policy AND known.subject = ask.subject), \
    settled AS (SELECT policy, subject, wanted, capacity, rate, before, \
                least(capacity, greatest(least(before, 0), before - charge)) AS after FROM level), \
    granted AS (SELECT policy, subject, rate, before, after, greatest(0, least(wanted, after)) AS tokens FROM settled), \
    written AS (INSERT INTO limit_pots AS pot (policy, subject, full_at) \
                SELECT policy, subject, now() + make_interval(secs => (before - after + tokens) / rate) \
                FROM granted ORDER BY policy, subject \
                ON CONFLICT (policy, subject) DO UPDATE SET full_at = greatest(pot.full_at, clock_timestamp()) \
                + (excluded.full_at - now())) \
    SELECT policy, subject, tokens FROM granted";
/// How many replicas are at work, those included that cannot hear of changes, and the key of the hashes.
const FLEET: &str = "SELECT (SELECT count(*) FROM replicas WHERE last_seen_at > now() - interval '3 seconds') AS live, \
                     (SELECT salt FROM limit_salts WHERE id = 1) AS salt";
const ADD_SALT: &str = "INSERT INTO limit_salts (id, salt) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
/// Rows that somebody is at work on stay.
const PRUNE: &str = "DELETE FROM limit_pots WHERE (policy, subject) IN (SELECT policy, subject FROM limit_pots \
                     WHERE full_at < now() LIMIT 5000 FOR UPDATE SKIP LOCKED)";

/// The statements of this module, which only PostgreSQL understands.
pub(crate) const STATEMENTS: &[&str] = &[EXCHANGE, FLEET, ADD_SALT, PRUNE];

/// What a replica asks of one pot.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitAsk {
    /// Which budget.
    pub policy: i16,
    /// Whose, as a keyed hash.
    pub subject: String,
    /// Tokens that the replica would like to have, 0 at least.
    pub wanted: f64,
    /// Tokens that the replica gave itself while it could not ask; below 0 those that it returns.
    pub charge: f64,
    /// Tokens that the pot can hold.
    pub capacity: f64,
    /// Tokens that it fills by in a second.
    pub rate: f64,
}

/// What a replica is given out of one pot.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct LimitGrant {
    /// Which budget.
    pub policy: i16,
    /// Whose.
    pub subject: String,
    /// How many.
    pub tokens: f64,
}

/// What a replica must know to share.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
struct Fleet {
    live: i64,
    salt: Option<String>,
}

impl Store {
    /// How many replicas are at work, this one perhaps included, and the salt of the hashes in hexadecimal digits: `candidate` where
    /// there was none. Nothing of the embedded database.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn limits_fleet(&self, candidate: &str) -> Result<Option<(u32, String)>> {
        let Self::Postgres { pool, .. } = self else { return Ok(None) };
        let connections = pool.current();
        let mut fleet: Fleet = sqlx::query_as(FLEET).fetch_one(&connections).await?;
        if fleet.salt.is_none() {
            sqlx::query(ADD_SALT).bind(candidate).execute(&connections).await?;
            fleet = sqlx::query_as(FLEET).fetch_one(&connections).await?;
        }
        Ok(fleet.salt.map(|salt| (u32::try_from(fleet.live).unwrap_or(u32::MAX), salt)))
    }

    /// Asks pots for tokens, and answers what was granted. Nothing of the embedded database.
    ///
    /// # Errors
    /// Where the database fails; it is then not known whether the tokens were taken.
    pub async fn exchange_limits(&self, asks: &[LimitAsk]) -> Result<Vec<LimitGrant>> {
        let Self::Postgres { pool, .. } = self else { return Ok(Vec::new()) };
        let numbers = |of: fn(&LimitAsk) -> f64| asks.iter().map(of).collect::<Vec<f64>>();
        let granted = sqlx::query_as(EXCHANGE)
            .bind(asks.iter().map(|ask| ask.policy).collect::<Vec<i16>>())
            .bind(asks.iter().map(|ask| ask.subject.clone()).collect::<Vec<String>>())
            .bind(numbers(|ask| ask.wanted))
            .bind(numbers(|ask| ask.charge))
            .bind(numbers(|ask| ask.capacity))
            .bind(numbers(|ask| ask.rate));
        Ok(granted.fetch_all(&pool.current()).await?)
    }

    /// Deletes pots that are full again; answers how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn prune_limits(&self) -> Result<u64> {
        let Self::Postgres { pool, .. } = self else { return Ok(0) };
        Ok(sqlx::query(PRUNE).execute(&pool.current()).await?.rows_affected())
    }
}
