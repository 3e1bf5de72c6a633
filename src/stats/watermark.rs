//! The watermark of the ledger of events: below it, no event is still to come.
//!
//! Ids are given before commit, so an event with a smaller id may be committed after one with a larger id: a reader
//! that asks for `id > cursor` alone would miss it. Promises: an event that is committed after [`Watermark::advance`]
//! answered has a larger id than the answer, unless it brought an id of its own, as imported history does. Transactions
//! that do not write events never hold the watermark back. Leaves out: reading the events. The reasons are in
//! docs/adr/0016-watermark.md.

use std::collections::HashSet;

use crate::db::{Result, Store, dialect::Sql, on_pool};

/// The largest visible id, and the transactions that may have taken a smaller one. Each of them holds the lock that a
/// write to the table takes before an id is given, until it has ended and is visible to the next statement. The
/// snapshot of the statement is taken before it reads the locks. SQLite has one writer, whose commits are in order.
const NEWEST: Sql = Sql {
    postgres: r"
    SELECT
        (SELECT coalesce(max(id), 0) FROM events),
        coalesce((
            SELECT string_agg(virtualtransaction, ' ')
            FROM pg_locks
            WHERE locktype = 'relation'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND relation = 'events'::regclass
                AND mode = 'RowExclusiveLock'
                AND granted
        ), '')",
    sqlite: "SELECT coalesce(max(id), 0), '' FROM events",
};

pub(crate) const ROW_STATEMENTS: &[Sql] = &[NEWEST];

/// Follows the ledger's end.
#[derive(Debug, Default)]
pub struct Watermark {
    safe: Option<i64>,
    candidate: Option<Candidate>,
}

/// An id that is safe as soon as these transactions have ended.
#[derive(Debug)]
struct Candidate {
    newest: i64,
    writers: HashSet<String>,
}

impl Watermark {
    /// The id up to which no event is still to come, 0 if there is no event; it never goes back. None while it is not
    /// known yet, as transactions have written events since before the first look.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn advance(&mut self, store: &Store) -> Result<Option<i64>> {
        let sql = NEWEST.on(store.is_embedded());
        let (newest, writers): (i64, String) = on_pool!(store, |pool| sqlx::query_as(sql).fetch_one(pool).await)?;
        let writers: HashSet<String> = writers.split_whitespace().map(str::to_owned).collect();
        self.observe(newest, writers);
        Ok(self.safe)
    }

    /// Whether events are there that a transaction still keeps back, so that it is worth looking again soon.
    pub fn is_held_back(&self) -> bool {
        self.candidate.is_some()
    }

    fn observe(&mut self, newest: i64, writers: HashSet<String>) {
        if let Some(candidate) = self.candidate.take_if(|candidate| candidate.writers.is_disjoint(&writers)) {
            self.safe = self.safe.max(Some(candidate.newest));
        }
        if writers.is_empty() {
            self.safe = self.safe.max(Some(newest));
        } else if self.candidate.is_none() && Some(newest) > self.safe {
            self.candidate = Some(Candidate { newest, writers });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writers(names: &[&str]) -> HashSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_id_is_safe_when_all_that_wrote_before_it_have_ended() {
        let mut watermark = Watermark::default();
        watermark.observe(5, writers(&[]));
        assert_eq!(watermark.safe, Some(5));
        watermark.observe(9, writers(&["a", "b"]));
        watermark.observe(12, writers(&["b", "c"]));
        assert_eq!((watermark.safe, watermark.is_held_back()), (Some(5), true));
        // Those that came later hold back only what came with them.
        watermark.observe(15, writers(&["c", "d"]));
        assert_eq!(watermark.safe, Some(9));
        watermark.observe(15, writers(&["d"]));
        assert_eq!(watermark.safe, Some(9));
        watermark.observe(15, writers(&[]));
        assert_eq!((watermark.safe, watermark.is_held_back()), (Some(15), false));
        watermark.observe(3, writers(&[]));
        assert_eq!(watermark.safe, Some(15));
    }
}
