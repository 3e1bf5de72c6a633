//! Users in the database.

use super::paging::bounds;
use crate::{
    db::{Result, Store, StoreError, Tx, columns::user_columns, dialect, on_pool, on_tx},
    domain::{Details, EmailAddress, NewUser, User, UserChanges, UserId, Username, clock::Timestamp, page::PageStart},
};

const BY_ID: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");
const BY_NAME: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE username = $1");
const LIST: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id > $1 ORDER BY id LIMIT $2 OFFSET $3");
const COUNT: &str = "SELECT count(*) FROM users";
const INSERT: &str = concat!(
    r"
    INSERT INTO users (username, email, created_at)
    VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
    RETURNING ",
    user_columns!(),
);
const TAKEN_USERNAME: &str = "SELECT count(*) FROM users WHERE username = $1 AND id <> $2";
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
    INSERT INTO retired_codes (short_code, retired_at)
    SELECT short_code, $2 FROM urls
    WHERE user_id = $1
    ON CONFLICT DO NOTHING
";
const NOTE_DELETIONS: &str = r"
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT id, user_id, 'deleted', $2, $3 FROM urls
    WHERE user_id = $1
    ORDER BY id
";
const DELETE_URLS: &str = "DELETE FROM urls WHERE user_id = $1";
const DELETE: &str = "DELETE FROM users WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] =
    &[BY_ID, BY_NAME, LIST, COUNT, INSERT, TAKEN_USERNAME, UPDATE, RETIRE_CODES, NOTE_DELETIONS, DELETE_URLS, DELETE];

impl Store {
    /// The user with this id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await)?)
    }

    /// The user of this name.
    pub async fn user_named(&self, name: &Username) -> Result<Option<User>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_NAME).bind(name).fetch_optional(pool).await)?)
    }

    /// At most `limit` users in `id` order.
    pub async fn users(&self, start: PageStart, limit: u32) -> Result<Vec<User>> {
        let (after, offset) = bounds(start);
        Ok(on_pool!(self, |pool| {
            sqlx::query_as(LIST).bind(after).bind(i64::from(limit)).bind(offset).fetch_all(pool).await
        })?)
    }

    /// How many users there are.
    pub async fn count_users(&self) -> Result<i64> {
        Ok(on_pool!(self, |pool| sqlx::query_scalar(COUNT).fetch_one(pool).await)?)
    }
}

impl Tx {
    /// Creates a user.
    ///
    /// # Errors
    /// [`StoreError::Taken`] names `username` or `email` if another user has it.
    pub async fn create_user(&mut self, new: &NewUser, now: Timestamp) -> Result<User> {
        let created: Option<User> = on_tx!(self, |conn| {
            sqlx::query_as(INSERT).bind(&new.username).bind(&new.email).bind(now).fetch_optional(conn).await
        })?;
        match created {
            Some(user) => Ok(user),
            None => Err(StoreError::Taken(self.taken_field(&new.username, UserId(0)).await?)),
        }
    }

    /// Changes a user; answers none if there is no such user.
    ///
    /// # Errors
    /// [`StoreError::Taken`] names `username` or `email` if another user has it; the transaction is then of no
    /// further use but to be undone.
    pub async fn update_user(&mut self, id: UserId, changes: &UserChanges) -> Result<Option<User>> {
        let (username, email) = (changes.username.as_ref(), changes.email.as_ref());
        if let Some(username) = username
            && self.taken_field(username, id).await? == "username"
        {
            return Err(StoreError::Taken("username"));
        }
        let (username, email) = (username.map(Username::as_str), email.map(EmailAddress::as_str));
        on_tx!(self, |conn| sqlx::query_as(UPDATE).bind(id).bind(username).bind(email).fetch_optional(conn).await)
            .map_err(StoreError::taken(if email.is_some() { "email" } else { "username" }))
    }

    /// Deletes a user and all links of theirs, whose codes stay used; answers whether there was such a user.
    pub async fn delete_user(&mut self, id: UserId, now: Timestamp, details: &Details) -> Result<bool> {
        let lock = dialect::USER_TO_DELETE.on(self.is_embedded());
        let lock_urls = dialect::URLS_TO_DELETE.on(self.is_embedded());
        let details = details.clone().by(&self.caller);
        on_tx!(self, |conn| {
            if sqlx::query(lock).bind(id).fetch_optional(&mut *conn).await?.is_none() {
                return Ok(false);
            }
            sqlx::query(lock_urls).bind(id).execute(&mut *conn).await?;
            sqlx::query(RETIRE_CODES).bind(id).bind(now).execute(&mut *conn).await?;
            sqlx::query(NOTE_DELETIONS).bind(id).bind(now).bind(&details).execute(&mut *conn).await?;
            sqlx::query(DELETE_URLS).bind(id).execute(&mut *conn).await?;
            sqlx::query(DELETE).bind(id).execute(&mut *conn).await?;
        });
        self.note_all_changed();
        Ok(true)
    }

    /// Which of a user's unique fields made an insertion fail.
    async fn taken_field(&mut self, username: &Username, but: UserId) -> Result<&'static str> {
        let taken: i64 =
            on_tx!(self, |conn| sqlx::query_scalar(TAKEN_USERNAME).bind(username).bind(but).fetch_one(conn).await)?;
        Ok(if taken > 0 { "username" } else { "email" })
    }
}
