//! Users in the database.

use super::select::Select;
use crate::{
    db::{Changes, Committed, Result, Store, StoreError, Tx, columns::user_columns, dialect, on_pool, on_tx},
    domain::{
        Caller, Details, EmailAddress, NewUser, ShortCode, UrlId, User, UserChanges, UserId, Username,
        clock::{Span, Timestamp},
        page::{PageStart, Sort},
    },
};

const BY_ID: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");
const BY_NAME: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE username = $1");
// The beginning of the list and of its count; conditions follow in `filtered`.
const LIST: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE TRUE");
const COUNT: &str = "SELECT 1 FROM users WHERE TRUE";
const INSERT: &str = concat!(
    r"
    INSERT INTO users (username, email, created_at)
    VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
    RETURNING ",
    user_columns!(),
);
const TAKEN_USERNAME: &str = "SELECT count(*) FROM users WHERE username = $1 AND id <> $2";
const TAKEN_EMAIL: &str = "SELECT count(*) FROM users WHERE email = $1 AND id <> $2";
const UPDATE: &str = concat!(
    r"
    UPDATE users
    SET username = coalesce($2, username),
        email = coalesce($3, email)
    WHERE id = $1
    RETURNING ",
    user_columns!(),
);
const RETIRE_CODES: &str = r"
    UPDATE codes
    SET retired_at = $3
    WHERE short_code IN (SELECT short_code FROM urls WHERE user_id = $1 AND id <= $2)
";
const NOTE_DELETIONS: &str = r"
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT id, user_id, 'deleted', $3, $4 FROM urls
    WHERE user_id = $1 AND id <= $2
    ORDER BY id
";
const DELETE_URLS: &str = "DELETE FROM urls WHERE user_id = $1 AND id <= $2";
const DELETE: &str = "DELETE FROM users WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] =
    &[BY_ID, BY_NAME, INSERT, TAKEN_USERNAME, TAKEN_EMAIL, UPDATE, RETIRE_CODES, NOTE_DELETIONS, DELETE_URLS, DELETE];

/// Which users a list holds; `None` takes all.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Only this one: all that a caller may see.
    pub only: Option<UserId>,
    /// Only the one of this name.
    pub username: Option<Username>,
    /// Only the one with this address.
    pub email: Option<EmailAddress>,
    /// Only those that were created within it.
    pub created: Span,
}

/// A statement over users with the conditions of `filter`.
fn filtered(head: &'static str, filter: UserFilter) -> Select {
    let select = Select::new(head).and("id = ", filter.only).and("username = ", filter.username);
    select.and("email = ", filter.email).within("created_at", filter.created)
}

/// Links that one transaction deletes at most.
const DELETED_AT_ONCE: u32 = 5_000;

impl Store {
    /// The user with this id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await)?)
    }

    /// The user of this name.
    pub async fn user_named(&self, name: &Username) -> Result<Option<User>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_NAME).bind(name).fetch_optional(pool).await)?)
    }

    /// At most `limit` users in this order, which is not that of clicks.
    pub async fn users(&self, filter: UserFilter, sort: Sort, start: PageStart, limit: u32) -> Result<Vec<User>> {
        filtered(LIST, filter).page(sort, "id", start, limit).rows(self).await
    }

    /// How many users pass the filter, [`MAX_COUNT`](crate::domain::page::MAX_COUNT) and one at most.
    pub async fn count_users(&self, filter: UserFilter) -> Result<i64> {
        filtered(COUNT, filter).count(self).await
    }

    /// Deletes a user and all links of theirs, whose codes stay used; answers none if there is no such user.
    ///
    /// Not more than `DELETED_AT_ONCE` links go in one transaction: a million in one would take longer than any
    /// statement may. If it breaks off, the user is still there, and a repetition deletes the rest.
    pub async fn delete_user(
        &self,
        caller: Caller,
        id: UserId,
        now: Timestamp,
        details: &Details,
    ) -> Result<Option<Committed>> {
        let details = details.clone().by(&caller);
        let mut changes = Changes::default();
        loop {
            let mut tx = self.begin().await?;
            let Some(urls) = tx.urls_to_delete(id).await? else { return Ok(None) };
            urls.iter().for_each(|(_, code)| changes.add(code));
            if let Some((last, _)) = urls.last() {
                tx.delete_urls_until(id, *last, now, &details).await?;
            }
            if urls.len() as u64 == u64::from(DELETED_AT_ONCE) {
                tx.commit().await?;
                continue;
            }
            on_tx!(tx, |conn| {
                sqlx::query(DELETE).bind(id).execute(conn).await?;
            });
            // Told once, with the last of them: before the answer a replica may still follow a link that is gone.
            tx.note_all(changes);
            return tx.commit_links().await.map(Some);
        }
    }
}

impl Tx {
    /// Creates a user.
    ///
    /// # Errors
    /// [`StoreError::Taken`] names `username` or `email` if another user has it; [`StoreError::IdsTaken`] if neither is
    /// taken, so that it was the id.
    pub async fn create_user(&mut self, new: &NewUser, now: Timestamp) -> Result<User> {
        let created: Option<User> = on_tx!(self, |conn| {
            sqlx::query_as(INSERT).bind(&new.username).bind(&new.email).bind(now).fetch_optional(conn).await
        })?;
        if let Some(user) = created {
            return Ok(user);
        }
        for (sql, field, value) in
            [(TAKEN_USERNAME, "username", new.username.as_str()), (TAKEN_EMAIL, "email", new.email.as_str())]
        {
            if self.is_taken(sql, value, UserId(0)).await? {
                return Err(StoreError::Taken(field));
            }
        }
        Err(StoreError::IdsTaken)
    }

    /// Changes a user; answers none if there is no such user.
    ///
    /// # Errors
    /// [`StoreError::Taken`] names `username` or `email` if another user has it; the transaction is then of no
    /// further use but to be undone.
    pub async fn update_user(&mut self, id: UserId, changes: &UserChanges) -> Result<Option<User>> {
        let (username, email) = (changes.username.as_ref(), changes.email.as_ref());
        if let Some(username) = username
            && self.is_taken(TAKEN_USERNAME, username.as_str(), id).await?
        {
            return Err(StoreError::Taken("username"));
        }
        let (username, email) = (username.map(Username::as_str), email.map(EmailAddress::as_str));
        on_tx!(self, |conn| sqlx::query_as(UPDATE).bind(id).bind(username).bind(email).fetch_optional(conn).await)
            .map_err(StoreError::taken(if email.is_some() { "email" } else { "username" }))
    }

    /// The first links of a user, locked, and their codes; none if there is no such user.
    async fn urls_to_delete(&mut self, id: UserId) -> Result<Option<Vec<(UrlId, ShortCode)>>> {
        let user = dialect::USER_TO_DELETE.on(self.is_embedded());
        let urls = dialect::URLS_TO_DELETE.on(self.is_embedded());
        on_tx!(self, |conn| {
            if sqlx::query(user).bind(id).fetch_optional(&mut *conn).await?.is_none() {
                return Ok(None);
            }
            Ok(Some(sqlx::query_as(urls).bind(id).bind(i64::from(DELETED_AT_ONCE)).fetch_all(conn).await?))
        })
    }

    async fn delete_urls_until(&mut self, user: UserId, last: UrlId, now: Timestamp, details: &Details) -> Result<()> {
        on_tx!(self, |conn| {
            sqlx::query(RETIRE_CODES).bind(user).bind(last).bind(now).execute(&mut *conn).await?;
            sqlx::query(NOTE_DELETIONS).bind(user).bind(last).bind(now).bind(details).execute(&mut *conn).await?;
            sqlx::query(DELETE_URLS).bind(user).bind(last).execute(conn).await?;
        });
        Ok(())
    }

    /// Whether another user has the value.
    async fn is_taken(&mut self, sql: &'static str, value: &str, but: UserId) -> Result<bool> {
        let taken: i64 = on_tx!(self, |conn| sqlx::query_scalar(sql).bind(value).bind(but).fetch_one(conn).await)?;
        Ok(taken > 0)
    }
}
