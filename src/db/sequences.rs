//! The sequences that give out ids, and tables that are ahead of them.
//!
//! Rows that come by logical replication, or by hand, leave PostgreSQL's sequences behind: the next ids are taken then.
//! That is a fault of the database, never of the row that was about to get such an id. This is the one place that mends
//! it; the insertion is then repeated. SQLite's AUTOINCREMENT follows its table by itself.

use sqlx::{Executor, Postgres};

use super::{Lock, Result, Store};

/// The constraints that an id breaks which a row has already.
const PRIMARY_KEYS: [&str; 5] = ["users_pkey", "urls_pkey", "events_pkey", "api_keys_pkey", "click_pending_pkey"];
/// The constraint that keeps ids such that clients can name them, on both databases.
const NAMEABLE: &str = "id_can_be_named";

/// Tables that give out ids, and what their sequences gave out last.
macro_rules! sequences {
    () => {
        r"
    FROM (
        SELECT s.name, s.largest, pg_get_serial_sequence(s.name, 'id') AS sequence
        FROM (
            VALUES
                ('users', (SELECT max(id) FROM users)),
                ('urls', (SELECT max(id) FROM urls)),
                ('events', (SELECT max(id) FROM events)),
                ('api_keys', (SELECT max(id) FROM api_keys)),
                ('click_pending', (SELECT max(id) FROM click_pending))
        ) s (name, largest)
    ) t"
    };
}
/// What is wrong: `taken` if the next id is taken, else the sequence is at its end, beyond `$1`.
const FAULTS: &str = concat!(
    "SELECT t.name, coalesce(pg_sequence_last_value(t.sequence::regclass), 0) < t.largest AS taken",
    sequences!(),
    r"
    WHERE coalesce(pg_sequence_last_value(t.sequence::regclass), 0) < t.largest
    OR pg_sequence_last_value(t.sequence::regclass) >= $1",
);
const ADVANCE: &str = concat!(
    "SELECT t.name, setval(t.sequence::regclass, t.largest)",
    sequences!(),
    "\n    WHERE coalesce(pg_sequence_last_value(t.sequence::regclass), 0) < t.largest",
);
/// One process moves sequences at a time: two could move one back.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

/// The statements of this module, which only PostgreSQL understands.
pub(crate) const STATEMENTS: &[&str] = &[FAULTS, ADVANCE, LOCK];

/// A sequence that gives out ids which no row can get.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SequenceFault {
    /// The table.
    pub name: String,
    /// Whether rows have these ids already; else they are beyond those that the API can name.
    pub taken: bool,
}

/// Whether a generated id is one that a row has already.
pub(super) fn is_taken_id(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.is_unique_violation() && error.constraint().is_some_and(|name| PRIMARY_KEYS.contains(&name))
}

/// Whether a generated id is beyond those that the API can name.
pub(super) fn is_unnameable_id(error: &dyn sqlx::error::DatabaseError) -> bool {
    // SQLite has the constraint's name in its message alone.
    error.is_check_violation() && (error.constraint() == Some(NAMEABLE) || error.message().ends_with(NAMEABLE))
}

impl Store {
    /// Moves sequences that are behind their tables beyond the ids that are there, never back.
    ///
    /// # Errors
    /// Also if the role may not change sequences.
    pub async fn mend_sequences(&self) -> Result<()> {
        let Self::Postgres { pool, .. } = self else { return Ok(()) };
        let mut tx = pool.current().begin().await?;
        sqlx::query(LOCK).bind(Lock::Sequences.number()).execute(&mut tx).await?;
        advance(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

/// Moves sequences that are behind; the caller holds the lock.
pub(super) async fn advance(connection: impl Executor<'_, Database = Postgres>) -> sqlx::Result<()> {
    let moved: Vec<(String, i64)> = sqlx::query_as(ADVANCE).fetch_all(connection).await?;
    for (table, id) in moved {
        tracing::warn!(table, id, "its sequence was behind its rows and was moved");
    }
    Ok(())
}

/// The sequences whose next id no row can get.
pub(crate) async fn faults(connection: impl Executor<'_, Database = Postgres>) -> sqlx::Result<Vec<SequenceFault>> {
    sqlx::query_as(FAULTS).bind(crate::domain::ids::MAX_ID).fetch_all(connection).await
}
