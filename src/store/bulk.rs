//! Many rows: users, links, events and used codes, in chunks, within a transaction that the caller began.
//!
//! A chunk is staged in a temporary table (by COPY on PostgreSQL, by multi-row insertion on SQLite) and then settled by
//! statements that serve both databases: insert what conflicts with nothing, then ask of each row left over whether it
//! stands for a row that is there already or contradicts one. Rows that other clients write concurrently are met in the
//! same way as those that were there before, so they become a row found or a row refused, never a failure.
//!
//! Look-ups are scalar subqueries on purpose: PostgreSQL has no statistics on a table just filled, and might read the
//! whole of a large table for a join. A subquery is a probe of an index for each staged row on either database.
//!
//! Leaves out: reading files, and when the transaction is committed. After an error it can only be undone.

mod cell;
mod clicks;
mod codes;
mod copy;
mod events;
mod rollups;
mod sequences;
mod staging;
mod urls;
mod users;

pub(crate) use self::{rollups::ROW_STATEMENTS, sequences::STATEMENTS};
use crate::{
    db::{Result, Tx, dialect, on_tx},
    domain::{
        Details, DisabledReason, EmailAddress, EventId, EventType, Invalid, ShortCode, TargetUrl, Title, UrlId, UserId,
        Username, clock::Timestamp,
    },
};

// None of the statements below `bulk` is in `STATEMENTS` but those on sequences: they name temporary tables, which are
// there only while a `Bulk` is open.
const DROP: &str = r"
    DROP TABLE import_users;
    DROP TABLE import_claims;
    DROP TABLE import_codes;
    DROP TABLE import_urls;
    DROP TABLE import_events;
    DROP TABLE import_slots;
    DROP TABLE import_totals;
    DROP TABLE import_values
";

/// A user to be found or created.
#[derive(Debug, Clone)]
pub enum BulkUser {
    /// A readable row.
    Row {
        /// Its id in the source; none asks for a new one.
        id: Option<UserId>,
        /// Unique name.
        username: Username,
        /// Unique e-mail address.
        email: EmailAddress,
        /// When the user was created, UTC.
        created_at: Timestamp,
    },
    /// A row that was left out. What names its id later must not go to another user who happens to have it.
    LeftOut(UserId),
}

/// A link to be found or created.
#[derive(Debug, Clone)]
pub struct BulkUrl {
    /// Its id in the source; none asks for a new one.
    pub id: Option<UrlId>,
    /// Its owner, by the id of the owner's row if there was one.
    pub user_id: UserId,
    /// Its code; none asks for a generated one.
    pub short_code: Option<ShortCode>,
    /// The target.
    pub original_url: TargetUrl,
    /// A title for people.
    pub title: Option<Title>,
    /// Whether it can be followed.
    pub is_active: bool,
    /// When it was created, UTC.
    pub created_at: Timestamp,
    /// When one of its fields last changed, UTC.
    pub updated_at: Timestamp,
    /// Why it is disabled, if it is.
    pub disabled_reason: Option<DisabledReason>,
}

/// An event to be found or stored.
#[derive(Debug, Clone)]
pub struct BulkEvent {
    /// Its id in the source; none asks for a new one.
    pub id: Option<EventId>,
    /// The link it is about, which may be gone.
    pub url_id: UrlId,
    /// Who did it, by the id of the user's row if there was one; the user may be gone.
    pub user_id: Option<UserId>,
    /// What kind of thing happened.
    pub event_type: EventType,
    /// When it happened, UTC.
    pub timestamp: Timestamp,
    /// More about it.
    pub details: Details,
}

/// A code that was once used, by a link that is gone.
#[derive(Debug, Clone)]
pub struct BulkCode {
    /// The code.
    pub short_code: ShortCode,
    /// When its link was deleted, UTC.
    pub retired_at: Timestamp,
}

/// What became of the rows of a chunk.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many were created.
    pub created: u64,
    /// How many were there already, and were left as they are.
    pub found: u64,
    /// The others.
    pub refused: Vec<Refusal>,
    /// The codes that were generated, each with its row's number within the chunk.
    pub generated: Vec<(usize, ShortCode)>,
}

/// A row that contradicts what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Which row of the chunk, counted from 0.
    pub nth: usize,
    /// The field at fault.
    pub field: &'static str,
    /// Why.
    pub why: Invalid,
}

/// Temporary tables in a transaction, and what the rows stored through them have in common: within one `Bulk`, links
/// and events that name the id of a user's row go to the user whom that row stands for.
#[derive(Debug)]
pub struct Bulk<'t> {
    tx: &'t mut Tx,
    /// Whether some user's row stands for a user with another id, or for none.
    diverted: bool,
    /// Whether something is to be added to the rollups.
    has_clicks: bool,
    /// The day before which the rollups imported hold every click, whether its event came with them or not.
    whole_until: Option<i64>,
}

impl<'t> Bulk<'t> {
    /// Makes the temporary tables.
    pub async fn open(tx: &'t mut Tx) -> Result<Self> {
        on_tx!(tx, |conn| {
            sqlx::raw_sql(dialect::CREATE_STAGING).execute(conn).await?;
        });
        Ok(Self { tx, diverted: false, has_clicks: false, whole_until: None })
    }

    /// Adds the clicks to the rollups, removes the temporary tables and sees to it that the next ids given out are
    /// free. With `reserve_named`, ids that events name are kept free too: a new link shall not inherit the events of
    /// one that is gone.
    pub async fn close(mut self, reserve_named: bool) -> Result<()> {
        self.advance_sequences(reserve_named).await?;
        // Last: other clicks wait from here on.
        self.merge_clicks().await?;
        on_tx!(self.tx, |conn| {
            sqlx::raw_sql(DROP).execute(conn).await?;
        });
        Ok(())
    }

    /// Runs a statement without bound values and answers how many rows it changed.
    async fn run(&mut self, sql: &'static str) -> Result<u64> {
        Ok(on_tx!(self.tx, |conn| sqlx::query(sql).execute(conn).await?.rows_affected()))
    }

    /// Runs a statement that answers with one number for each row of the chunk that it is about.
    async fn numbers(&mut self, sql: &'static str) -> Result<Vec<i64>> {
        Ok(on_tx!(self.tx, |conn| sqlx::query_scalar(sql).fetch_all(conn).await?))
    }

    /// Removes from the staged rows those that `sql` picks, and refuses them.
    async fn refuse(
        &mut self,
        sql: &'static str,
        field: &'static str,
        why: &'static str,
        outcome: &mut Outcome,
    ) -> Result<()> {
        for nth in self.numbers(sql).await? {
            outcome.refuse(nth, field, why);
        }
        Ok(())
    }
}

impl Outcome {
    fn refuse(&mut self, nth: i64, field: &'static str, why: &'static str) {
        self.refused.push(Refusal { nth: usize::try_from(nth).unwrap_or_default(), field, why: Invalid(why) });
    }

    /// Whatever of `rows` was neither created nor refused was there already.
    fn count_found(mut self, rows: usize) -> Self {
        self.found = (rows as u64).saturating_sub(self.created + self.refused.len() as u64);
        self
    }
}
