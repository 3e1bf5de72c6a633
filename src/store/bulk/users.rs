//! Users in bulk: a row whose username, or failing that e-mail address, is taken stands for the user who has it.

use super::{Bulk, BulkUser, Outcome, sequences::Numbered};
use crate::db::{Result, on_tx};

/// Notes the name under which each row's id was first seen, and nobody (0) as the user it stands for.
const CLAIM: &str = "INSERT INTO import_claims (row_id, username, user_id) \
                     SELECT id, coalesce(username, ''), 0 FROM import_users WHERE id IS NOT NULL ORDER BY nth \
                     ON CONFLICT (row_id) DO NOTHING";
/// Removes rows that were left out, and those whose id was seen with another name.
const CLASHING: &str = "DELETE FROM import_users WHERE username IS NULL OR username <> \
                        (SELECT c.username FROM import_claims c WHERE c.row_id = import_users.id) RETURNING nth";
const INSERT_WITH_ID: &str = "INSERT INTO users (id, username, email, created_at) \
                              SELECT id, username, email, created_at FROM import_users WHERE id IS NOT NULL \
                              ORDER BY nth ON CONFLICT DO NOTHING";
const WITHOUT_ID: &str = "SELECT nth FROM import_users WHERE id IS NULL LIMIT 1";
const INSERT_WITHOUT_ID: &str = "INSERT INTO users (username, email, created_at) \
                                 SELECT username, email, created_at FROM import_users WHERE id IS NULL \
                                 ORDER BY nth ON CONFLICT DO NOTHING";
/// Rows that stand for nobody, and whether it is their id that is taken.
const UNPLACED: &str = "SELECT s.nth, (SELECT count(*) FROM users u WHERE u.id = s.id) FROM import_users s \
                        WHERE (SELECT count(*) FROM users u WHERE u.username = s.username) = 0 \
                        AND (SELECT count(*) FROM users u WHERE u.email = s.email) = 0 ORDER BY s.nth";
/// Notes whom each row's id stands for; a row may be there twice.
const SETTLE: &str = "INSERT INTO import_claims (row_id, username, user_id) SELECT s.id, s.username, \
                      min(coalesce((SELECT u.id FROM users u WHERE u.username = s.username), \
                      (SELECT u.id FROM users u WHERE u.email = s.email), 0)) \
                      FROM import_users s WHERE s.id IS NOT NULL GROUP BY s.id, s.username \
                      ON CONFLICT (row_id) DO UPDATE SET user_id = excluded.user_id";

/// How often a chunk is tried where rows in its way come and go.
pub(super) const ROUNDS: usize = 8;
pub(super) const CHANGED_MEANWHILE: &str = "was being changed by another client; import it again";

impl Bulk<'_> {
    /// Finds or creates users, in the order of `rows`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn users(&mut self, rows: &[BulkUser]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.stage(rows).await?;
        self.run(CLAIM).await?;
        for nth in self.numbers(CLASHING).await? {
            let left_out = usize::try_from(nth).ok().and_then(|nth| rows.get(nth));
            if !matches!(left_out, Some(BulkUser::LeftOut(_))) {
                outcome.refuse(nth, "id", "stands for another username earlier in this import");
            }
        }
        self.place_users(&mut outcome).await?;
        self.run(SETTLE).await?;
        let readable = rows.iter().filter(|row| matches!(row, BulkUser::Row { .. })).count();
        self.diverted |= outcome.created < rows.len() as u64;
        Ok(outcome.count_found(readable))
    }

    async fn place_users(&mut self, outcome: &mut Outcome) -> Result<()> {
        let with_new_ids = self.numbers(WITHOUT_ID).await?;
        let mut unplaced = Vec::new();
        for _ in 0..ROUNDS {
            outcome.created += self.run(INSERT_WITH_ID).await?;
            if !with_new_ids.is_empty() {
                self.advance_sequence(Numbered::Users).await?;
                outcome.created += self.run(INSERT_WITHOUT_ID).await?;
            }
            unplaced = on_tx!(self.tx, |conn| sqlx::query_as(UNPLACED).fetch_all(conn).await?);
            if unplaced.iter().all(|(_, holders): &(i64, i64)| *holders > 0) {
                break;
            }
        }
        for (nth, holders) in unplaced {
            outcome.refuse(nth, "id", if holders > 0 { "belongs to another user" } else { CHANGED_MEANWHILE });
        }
        Ok(())
    }
}
