//! Users in bulk: a row whose username, or failing that e-mail address, is taken stands for the user who has it.

use super::{
    Bulk, BulkUser, Outcome,
    cell::Cell,
    sequences::Numbered,
    staging::{Staging, staging},
};
use crate::db::{Result, columns::user_columns, on_tx};

const STAGING: Staging = staging!("import_users", user_columns!());
/// Notes the name under which each row's id was first seen, and no user (0) for whom it stands.
const CLAIM: &str = r"
    INSERT INTO import_claims (row_id, username, user_id)
    SELECT id, coalesce(username, ''), 0 FROM import_users
    WHERE id IS NOT NULL
    ORDER BY nth
    ON CONFLICT (row_id) DO NOTHING
";
/// Removes rows that were left out, and those whose id was seen with another name.
const CLASHING: &str = r"
    DELETE FROM import_users
    WHERE username IS NULL
        OR username <> (SELECT c.username FROM import_claims c WHERE c.row_id = import_users.id)
    RETURNING nth
";
const INSERT_WITH_ID: &str = concat!(
    "INSERT INTO users (",
    user_columns!(),
    ")\n    SELECT ",
    user_columns!(),
    r" FROM import_users
    WHERE id IS NOT NULL
    ORDER BY nth
    ON CONFLICT DO NOTHING
    ",
);
const WITHOUT_ID: &str = "SELECT nth FROM import_users WHERE id IS NULL LIMIT 1";
const INSERT_WITHOUT_ID: &str = r"
    INSERT INTO users (username, email, created_at)
    SELECT username, email, created_at FROM import_users
    WHERE id IS NULL
    ORDER BY nth
    ON CONFLICT DO NOTHING
";
/// Rows that stand for no user, and whether it is their id that is taken.
const UNPLACED: &str = r"
    SELECT s.nth, (SELECT count(*) FROM users u WHERE u.id = s.id)
    FROM import_users s
    WHERE (SELECT count(*) FROM users u WHERE u.username = s.username) = 0
        AND (SELECT count(*) FROM users u WHERE u.email = s.email) = 0
    ORDER BY s.nth
";
/// Notes for whom each row's id stands; a row may be there twice.
const SETTLE: &str = r"
    INSERT INTO import_claims (row_id, username, user_id)
    SELECT
        s.id,
        s.username,
        min(coalesce(
            (SELECT u.id FROM users u WHERE u.username = s.username),
            (SELECT u.id FROM users u WHERE u.email = s.email),
            0
        ))
    FROM import_users s
    WHERE s.id IS NOT NULL
    GROUP BY s.id, s.username
    ON CONFLICT (row_id) DO UPDATE SET user_id = excluded.user_id
";

/// How often a chunk is tried if rows in its way come and go.
pub(super) const ROUNDS: usize = 8;
pub(super) const CHANGED_MEANWHILE: &str = "was being changed by another client; import it again";

impl BulkUser {
    fn cells(&self) -> [Cell<'_>; 4] {
        match self {
            Self::Row { id, username, email, created_at } => [
                Cell::Number(id.map(|id| id.0)),
                Cell::Text(Some(username.as_str())),
                Cell::Text(Some(email.as_str())),
                Cell::Time(Some(*created_at)),
            ],
            Self::LeftOut(id) => [Cell::Number(Some(id.0)), Cell::Text(None), Cell::Text(None), Cell::Time(None)],
        }
    }
}

impl Bulk<'_> {
    /// Finds or creates users, in the order of `rows`.
    pub async fn users(&mut self, rows: &[BulkUser]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.stage(&STAGING, rows.iter().map(BulkUser::cells).collect()).await?;
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
