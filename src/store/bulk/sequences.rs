//! The next ids. Rows that brought their own leave PostgreSQL's sequences behind; SQLite's AUTOINCREMENT follows them
//! by itself.

use super::Bulk;
use crate::db::{Result, dialect, on_tx};

const LARGEST_USER: &str = "SELECT max(id) FROM users";
const LARGEST_URL: &str = "SELECT max(id) FROM urls";
const LARGEST_EVENT: &str = "SELECT max(id) FROM events";
/// The largest id of a link or user that an event names; either may be gone. Larger ones than rows may come with (2^52)
/// are kept by no row that an import brings.
const LARGEST_URL_NAMED: &str = "SELECT max(url_id) FROM events WHERE url_id <= 4503599627370496";
const LARGEST_USER_NAMED: &str =
    "SELECT max(user_id) FROM events WHERE user_id IS NOT NULL AND user_id <= 4503599627370496";

pub(crate) const STATEMENTS: &[&str] =
    &[LARGEST_USER, LARGEST_URL, LARGEST_EVENT, LARGEST_URL_NAMED, LARGEST_USER_NAMED];

/// A table that gives out ids.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numbered {
    Users,
    Urls,
    Events,
}

impl Bulk<'_> {
    /// Moves the sequence of a table beyond the ids that are there, never back.
    pub(super) async fn advance_sequence(&mut self, table: Numbered) -> Result<()> {
        if self.tx.is_embedded() {
            return Ok(());
        }
        match table {
            Numbered::Users => self.reserve(LARGEST_USER, "users").await,
            Numbered::Urls => self.reserve(LARGEST_URL, "urls").await,
            Numbered::Events => self.reserve(LARGEST_EVENT, "events").await,
        }
    }

    /// Moves every sequence; with `named`, beyond the ids of links and users that events name too.
    pub(super) async fn advance_sequences(&mut self, named: bool) -> Result<()> {
        for table in [Numbered::Users, Numbered::Urls, Numbered::Events] {
            self.advance_sequence(table).await?;
        }
        if named {
            if self.tx.is_embedded() {
                self.run(dialect::BEGIN_SEQUENCES.sqlite).await?;
            }
            self.reserve(LARGEST_URL_NAMED, "urls").await?;
            self.reserve(LARGEST_USER_NAMED, "users").await?;
        }
        Ok(())
    }

    /// Keeps the ids of `table` up to the one that `largest` answers from being given out.
    async fn reserve(&mut self, largest: &'static str, table: &'static str) -> Result<()> {
        let largest: Option<i64> = on_tx!(self.tx, |conn| sqlx::query_scalar(largest).fetch_one(conn).await?);
        let Some(largest) = largest else { return Ok(()) };
        let sql = dialect::RESERVE_IDS.on(self.tx.is_embedded());
        on_tx!(self.tx, |conn| {
            sqlx::query(sql).bind(table).bind(largest).execute(conn).await?;
        });
        Ok(())
    }
}
