//! Links in the database.

use super::{
    paging::{bounds, missing},
    select::Select,
};
use crate::{
    db::{Result, Store, StoreError, Tx, columns::url_columns, dialect, on_pool, on_tx},
    domain::{
        Details, DisabledReason, NewEvent, NewUrl, ShortCode, TargetUrl, Title, Url, UrlChanges, UrlId, UserId,
        clock::Timestamp, event::EventType, page::PageStart,
    },
};

const BY_ID: &str = concat!("SELECT ", url_columns!(), " FROM urls WHERE id = $1");
const LINK_BY_CODE: &str = r"
    SELECT id, user_id, original_url, is_active, disabled_reason
    FROM urls
    WHERE short_code = $1
";
const INSERT: &str = concat!(
    r"
    INSERT INTO urls (user_id, short_code, original_url, title, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, $4, TRUE, $5, $5)
    ON CONFLICT (short_code) DO NOTHING
    RETURNING ",
    url_columns!(),
);
const IS_RETIRED: &str = "SELECT count(*) FROM retired_codes WHERE short_code = $1";
const UPDATE: &str = r"
    UPDATE urls
    SET original_url = $2,
        title = $3,
        is_active = $4,
        updated_at = $5,
        disabled_reason = $6
    WHERE id = $1
";
const RETIRE_CODE: &str = r"
    INSERT INTO retired_codes (short_code, retired_at)
    VALUES ($1, $2)
    ON CONFLICT DO NOTHING
";
const DELETE: &str = "DELETE FROM urls WHERE id = $1";
const FORGET_TOTAL: &str = "DELETE FROM click_totals WHERE url_id = $1";
const OWNER: &str = "SELECT user_id FROM urls WHERE id = $1";

// The beginning of the list and of its count; conditions follow in `filtered`.
const LIST: &str = concat!("SELECT ", url_columns!(), " FROM urls");
const COUNT: &str = "SELECT count(*) FROM urls";

pub(crate) const STATEMENTS: &[&str] =
    &[BY_ID, LINK_BY_CODE, INSERT, IS_RETIRED, UPDATE, RETIRE_CODE, DELETE, FORGET_TOTAL, OWNER];

/// How many generated codes are tried before giving up: with a million links, one try in 57,000 meets a taken code.
const CODE_TRIES: usize = 8;

/// Which links a list holds; `None` takes all.
#[derive(Debug, Clone, Copy, Default)]
pub struct UrlFilter {
    /// Only those that belong to this user, whatever `user_id` says: all that a caller may see.
    pub owner: Option<UserId>,
    /// Only this user's.
    pub user_id: Option<UserId>,
    /// Only those that can, or cannot, be followed.
    pub is_active: Option<bool>,
}

/// What following a code needs of its link.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Link {
    /// Identifies the link.
    pub id: UrlId,
    /// Its owner.
    pub user_id: UserId,
    /// Where it leads.
    pub original_url: TargetUrl,
    /// Whether it can be followed.
    pub is_active: bool,
    /// Why it cannot be followed all the same.
    pub disabled_reason: Option<DisabledReason>,
}

/// A statement over links with the conditions of `filter`.
pub(super) fn filtered(head: &'static str, filter: UrlFilter) -> Select {
    Select::new(head)
        .push(" WHERE TRUE")
        .and("user_id = ", filter.owner)
        .and("user_id = ", filter.user_id)
        .and("is_active = ", filter.is_active)
}

impl Store {
    /// The link with this id.
    pub async fn url(&self, id: UrlId) -> Result<Option<Url>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await)?)
    }

    /// The link with this code, active or not.
    pub async fn link(&self, code: &ShortCode) -> Result<Option<Link>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(LINK_BY_CODE).bind(code).fetch_optional(pool).await)?)
    }

    /// At most `limit` links in `id` order.
    pub async fn urls(&self, filter: UrlFilter, start: PageStart, limit: u32) -> Result<Vec<Url>> {
        let (after, _) = bounds(start);
        filtered(LIST, filter).and("id > ", Some(after)).page(" ORDER BY id", start, limit).rows(self).await
    }

    /// How many links pass the filter.
    pub async fn count_urls(&self, filter: UrlFilter) -> Result<i64> {
        filtered(COUNT, filter).count(self).await
    }
}

impl Tx {
    /// Creates a link and its `created` event.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the chosen code is or was another link's, [`StoreError::Missing`] if there is
    /// no such user; the transaction is then of no further use but to be undone.
    pub async fn create_url(&mut self, new: &NewUrl, now: Timestamp) -> Result<Url> {
        if !self.caller.sees(new.user_id) {
            return Err(StoreError::Missing("user_id"));
        }
        let url = match &new.short_code {
            Some(code) => self.insert_url(new, code, now).await?.ok_or(StoreError::Taken("short_code"))?,
            None => self.insert_url_with_free_code(new, now).await?,
        };
        match &new.short_code {
            Some(code) => self.note_changed(code),
            None => self.note_created(&url.short_code),
        }
        let details = serde_json::json!({ "short_code": &url.short_code, "original_url": &url.original_url });
        self.note(&url, EventType::created(), now, Details::of(&details)).await?;
        Ok(url)
    }

    /// Changes a link and leaves an `updated` event for each field that differs; answers none if there is no such link.
    pub async fn update_url(&mut self, id: UrlId, changes: UrlChanges, now: Timestamp) -> Result<Option<Url>> {
        let Some(mut url) = self.url_to_change(id).await? else { return Ok(None) };
        let changed = url.apply(changes, now);
        if !changed.is_empty() {
            self.note_changed(&url.short_code);
            on_tx!(self, |conn| {
                let statement = sqlx::query(UPDATE).bind(id).bind(&url.original_url).bind(&url.title);
                let statement = statement.bind(url.is_active).bind(url.updated_at).bind(&url.disabled_reason);
                statement.execute(conn).await?;
            });
        }
        for change in changed {
            self.note(&url, EventType::updated(), url.updated_at, Details::of(&change)).await?;
        }
        Ok(Some(url))
    }

    /// Gives a link a title if it has none and still leads to `target`, and leaves an `updated` event; answers whether
    /// it did.
    pub async fn give_title(&mut self, id: UrlId, target: &TargetUrl, title: Title, now: Timestamp) -> Result<bool> {
        // Read under the lock that a change takes: what the owner does comes before or after, and is kept.
        let url = self.url_to_change(id).await?;
        if url.is_none_or(|url| url.title.is_some() || url.original_url != *target) {
            return Ok(false);
        }
        let changes = UrlChanges { title: Some(Some(title)), ..UrlChanges::default() };
        Ok(self.update_url(id, changes, now).await?.is_some())
    }

    /// Deletes a link and leaves a `deleted` event; its code stays used. Answers the link as it was.
    pub async fn delete_url(&mut self, id: UrlId, now: Timestamp, details: Details) -> Result<Option<Url>> {
        let Some(url) = self.url_to_change(id).await? else { return Ok(None) };
        self.note_changed(&url.short_code);
        on_tx!(self, |conn| {
            sqlx::query(RETIRE_CODE).bind(&url.short_code).bind(now).execute(&mut *conn).await?;
            sqlx::query(DELETE).bind(id).execute(&mut *conn).await?;
        });
        self.note(&url, EventType::deleted(), now, details).await?;
        Ok(Some(url))
    }

    /// Whose link has this id; none if the caller may see no such link.
    pub(super) async fn url_owner(&mut self, id: UrlId) -> Result<Option<UserId>> {
        let owner: Option<UserId> = on_tx!(self, |conn| sqlx::query_scalar(OWNER).bind(id).fetch_optional(conn).await)?;
        Ok(owner.filter(|owner| self.caller.sees(*owner)))
    }

    async fn url_to_change(&mut self, id: UrlId) -> Result<Option<Url>> {
        let sql = dialect::URL_TO_CHANGE.on(self.is_embedded());
        let url: Option<Url> = on_tx!(self, |conn| sqlx::query_as(sql).bind(id).fetch_optional(conn).await)?;
        Ok(url.filter(|url| self.caller.sees(url.user_id)))
    }

    async fn insert_url_with_free_code(&mut self, new: &NewUrl, now: Timestamp) -> Result<Url> {
        for _ in 0..CODE_TRIES {
            if let Some(url) = self.insert_url(new, &ShortCode::generate(), now).await? {
                return Ok(url);
            }
        }
        Err(StoreError::Unavailable("no free short code was found".to_owned()))
    }

    /// Inserts a link; answers none if its code is or was another link's.
    async fn insert_url(&mut self, new: &NewUrl, code: &ShortCode, now: Timestamp) -> Result<Option<Url>> {
        let url: Option<Url> = on_tx!(self, |conn| {
            let statement = sqlx::query_as(INSERT).bind(new.user_id).bind(code).bind(&new.original_url);
            statement.bind(&new.title).bind(now).fetch_optional(conn).await
        })
        .map_err(missing("user_id"))?;
        // Only now, in a statement of its own: the insertion waited for whoever was deleting a link of this code, and
        // a statement that began earlier would not see what they retired.
        let retired: i64 = on_tx!(self, |conn| sqlx::query_scalar(IS_RETIRED).bind(code).fetch_one(conn).await)?;
        let Some(url) = url else { return Ok(None) };
        if retired > 0 {
            // Seldom: a savepoint before each insertion would cost every link a round trip. A trigger has made the
            // total.
            on_tx!(self, |conn| {
                sqlx::query(DELETE).bind(url.id).execute(&mut *conn).await?;
                sqlx::query(FORGET_TOTAL).bind(url.id).execute(&mut *conn).await?;
            });
            return Ok(None);
        }
        Ok(Some(url))
    }

    /// Leaves an event about `url` by its owner, and says in it who acted.
    async fn note(&mut self, url: &Url, event_type: EventType, timestamp: Timestamp, details: Details) -> Result<()> {
        let details = details.by(&self.caller);
        let event = NewEvent { url_id: url.id, user_id: Some(url.user_id), event_type, timestamp, details };
        self.insert_event(&event).await?;
        Ok(())
    }
}
