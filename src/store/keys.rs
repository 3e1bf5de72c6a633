//! API keys in the database: found by their prefix, proved by their digest; the key itself is not kept.
//!
//! Revoking a key revokes those that were made with it, so that a thief gains nothing by making more.

use chrono::TimeDelta;

use super::paging::{COUNTED, bounds, missing};
use crate::{
    db::{Result, Store, StoreError, Tx, dialect, on_pool, on_tx},
    domain::{ApiKey, KeyId, NewKey, Scopes, Secret, UserId, clock::Timestamp, page::PageStart},
};

macro_rules! key_columns {
    () => {
        "id, user_id, name, prefix, scopes, created_at, expires_at, revoked_at, last_used_at"
    };
}

const BY_PREFIX: &str = r"
    SELECT id, user_id, digest, scopes, expires_at, revoked_at, last_used_at
    FROM api_keys
    WHERE prefix = $1
";
const LIST: &str = concat!(
    "SELECT ",
    key_columns!(),
    r"
    FROM api_keys
    WHERE user_id = $1 AND id > $2
    ORDER BY id
    LIMIT $3 OFFSET $4
    ",
);
const EXPIRY: &str = "SELECT expires_at FROM api_keys WHERE id = $1";
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM api_keys WHERE user_id = $1 LIMIT $2) counted";
const COUNTS: &str = r"
    SELECT count(CASE WHEN revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) THEN 1 END) AS live,
        count(CASE WHEN made_by IS NOT NULL AND created_at > $3 THEN 1 END) AS made,
        min(CASE WHEN made_by IS NOT NULL AND created_at > $3 THEN created_at END) AS first_made
    FROM api_keys
    WHERE user_id = $1
";
const INSERT: &str = concat!(
    r"
    INSERT INTO api_keys (user_id, made_by, name, prefix, digest, scopes, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING ",
    key_columns!(),
);
const USED: &str = r"
    UPDATE api_keys
    SET last_used_at = $2
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)
";
const REVOKE: &str = r"
    WITH RECURSIVE made (id) AS (
        SELECT id FROM api_keys WHERE id = $1
        UNION
        SELECT k.id FROM api_keys k JOIN made ON k.made_by = made.id
    )
    UPDATE api_keys
    SET revoked_at = $2
    WHERE revoked_at IS NULL AND id IN (SELECT id FROM made)
";

pub(crate) const STATEMENTS: &[&str] = &[BY_PREFIX, LIST, EXPIRY, COUNT, COUNTS, INSERT, USED, REVOKE];

/// What it takes to tell whether a key is good.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KnownKey {
    /// Identifies the key.
    pub id: KeyId,
    /// Whom it acts for.
    pub user_id: UserId,
    /// Its SHA-256, in hexadecimal digits.
    pub digest: String,
    /// What it allows.
    #[sqlx(try_from = "String")]
    pub scopes: Scopes,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last noted to have been used.
    pub last_used_at: Option<Timestamp>,
}

/// The keys that a user has, as far as their number is limited.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyCounts {
    /// Keys that are good now.
    pub live: i64,
    /// Keys that other keys made in the last hour.
    pub made: i64,
    /// When the first of these was made.
    pub first_made: Option<Timestamp>,
}

impl Store {
    /// The key that has this prefix.
    pub async fn key(&self, prefix: &str) -> Result<Option<KnownKey>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_PREFIX).bind(prefix).fetch_optional(pool).await)?)
    }

    /// Notes that a key was used; an earlier moment never takes the place of a later one.
    pub async fn key_used(&self, id: KeyId, now: Timestamp) -> Result<()> {
        on_pool!(self, |pool| {
            sqlx::query(USED).bind(id).bind(now).execute(pool).await?;
        });
        Ok(())
    }

    /// From when on a key is refused; none if it does not expire, or if there is no such key.
    pub async fn key_expiry(&self, id: KeyId) -> Result<Option<Timestamp>> {
        let found: Option<Option<Timestamp>> =
            on_pool!(self, |pool| sqlx::query_scalar(EXPIRY).bind(id).fetch_optional(pool).await)?;
        Ok(found.flatten())
    }

    /// At most `limit` keys of a user in `id` order, revoked ones included.
    pub async fn keys(&self, user: UserId, start: PageStart, limit: u32) -> Result<Vec<ApiKey>> {
        let (after, offset) = bounds(start);
        Ok(on_pool!(self, |pool| {
            let statement = sqlx::query_as(LIST).bind(user).bind(after).bind(i64::from(limit)).bind(offset);
            statement.fetch_all(pool).await
        })?)
    }

    /// How many keys a user has, revoked ones included.
    pub async fn count_keys(&self, user: UserId) -> Result<i64> {
        Ok(on_pool!(self, |pool| sqlx::query_scalar(COUNT).bind(user).bind(COUNTED).fetch_one(pool).await)?)
    }
}

impl Tx {
    /// Counts a user's keys, and keeps others from adding one.
    pub async fn key_counts(&mut self, user: UserId, now: Timestamp) -> Result<KeyCounts> {
        let lock = dialect::USER_TO_DELETE.on(self.is_embedded());
        Ok(on_tx!(self, |conn| {
            sqlx::query(lock).bind(user).execute(&mut *conn).await?;
            let statement = sqlx::query_as(COUNTS).bind(user).bind(now).bind(now - TimeDelta::hours(1));
            statement.fetch_one(conn).await
        })?)
    }

    /// Keeps what is needed to recognise `secret`. Answers none if `made_by` has been revoked since.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such user, [`StoreError::Taken`] if another key has the prefix.
    pub async fn create_key(
        &mut self,
        new: &NewKey,
        secret: &Secret,
        made_by: Option<KeyId>,
        now: Timestamp,
    ) -> Result<Option<ApiKey>> {
        if let Some(maker) = made_by
            && !matches!(self.key_to_change(maker).await?, Some((_, None)))
        {
            return Ok(None);
        }
        let created = on_tx!(self, |conn| {
            let statement = sqlx::query_as(INSERT).bind(new.user_id).bind(made_by).bind(&new.name);
            let statement = statement.bind(secret.prefix()).bind(secret.digest()).bind(new.scopes.to_string());
            statement.bind(now).bind(new.expires_at).fetch_one(conn).await
        });
        created.map(Some).map_err(|error| match missing("user_id")(error) {
            StoreError::Unexpected(error) => StoreError::taken("prefix")(error),
            other => other,
        })
    }

    /// Revokes a key and those made with it, for good; what was revoked before keeps its time. Answers whether there is
    /// such a key, of this user if one is given.
    pub async fn revoke_key(&mut self, id: KeyId, of: Option<UserId>, now: Timestamp) -> Result<bool> {
        // Locked first: the next statement then sees a key that another transaction was making with it.
        let owner = self.key_to_change(id).await?.map(|(owner, _)| owner);
        if owner.is_none_or(|owner| of.is_some_and(|user| user != owner)) {
            return Ok(false);
        }
        on_tx!(self, |conn| {
            sqlx::query(REVOKE).bind(id).bind(now).execute(conn).await?;
        });
        Ok(true)
    }

    /// Whose key it is and when it was revoked; keeps others from changing it.
    async fn key_to_change(&mut self, id: KeyId) -> Result<Option<(UserId, Option<Timestamp>)>> {
        let sql = dialect::KEY_TO_CHANGE.on(self.is_embedded());
        Ok(on_tx!(self, |conn| sqlx::query_as(sql).bind(id).fetch_optional(conn).await)?)
    }
}
