//! Links in the database: reading them.

pub(crate) mod change;
pub mod create;

use super::select::Select;
use crate::{
    db::{Result, Store, Tx, columns::url_columns, on_pool, on_tx},
    domain::{
        DisabledReason, ShortCode, TargetUrl, Url, UrlId, UserId,
        clock::{Span, Timestamp},
        page::{PageStart, Sort},
    },
};

const BY_ID: &str = concat!("SELECT ", url_columns!(), " FROM urls WHERE id = $1");
const LINK_BY_CODE: &str = r"
    SELECT id, user_id, original_url, is_active, disabled_reason
    FROM urls
    WHERE short_code = $1
";
const CODE_USE: &str = "SELECT retired_at FROM codes WHERE short_code = $1";
pub(super) const OWNER: &str = "SELECT user_id FROM urls WHERE id = $1";

// The beginning of the list and of its count; conditions follow in `filtered`.
const LIST: &str = concat!("SELECT ", url_columns!(), " FROM urls");
const COUNT: &str = "SELECT 1 FROM urls";

pub(crate) const STATEMENTS: &[&str] = &[BY_ID, LINK_BY_CODE, CODE_USE, OWNER];

/// Which links a list holds; `None` takes all.
#[derive(Debug, Clone, Default)]
pub struct UrlFilter {
    /// Only those that belong to this user, whatever `user_id` says: all that a caller may see.
    pub owner: Option<UserId>,
    /// Only this user's.
    pub user_id: Option<UserId>,
    /// Only those that can, or cannot, be followed.
    pub is_active: Option<bool>,
    /// Only the one with this code.
    pub short_code: Option<ShortCode>,
    /// Only those that were created within it.
    pub created: Span,
}

/// What following a code needs of its link.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Link {
    /// Identifies the link.
    pub id: UrlId,
    /// Its owner.
    pub user_id: UserId,
    /// The target.
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
        .and("short_code = ", filter.short_code)
        .within("created_at", filter.created)
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

    /// Whether the link of this code is gone; none if no link has or had the code.
    pub async fn code_use(&self, code: &ShortCode) -> Result<Option<bool>> {
        let retired_at: Option<Option<Timestamp>> =
            on_pool!(self, |pool| sqlx::query_scalar(CODE_USE).bind(code).fetch_optional(pool).await)?;
        Ok(retired_at.map(|retired_at| retired_at.is_some()))
    }

    /// At most `limit` links in this order, which is not that of clicks.
    pub async fn urls(&self, filter: UrlFilter, sort: Sort, start: PageStart, limit: u32) -> Result<Vec<Url>> {
        filtered(LIST, filter).page(sort, "id", start, limit).rows(self).await
    }

    /// How many links pass the filter.
    pub async fn count_urls(&self, filter: UrlFilter) -> Result<i64> {
        filtered(COUNT, filter).count(self).await
    }
}

impl Tx {
    /// Whose link has this id; none if the caller may see no such link.
    pub(super) async fn url_owner(&mut self, id: UrlId) -> Result<Option<UserId>> {
        let owner: Option<UserId> = on_tx!(self, |conn| sqlx::query_scalar(OWNER).bind(id).fetch_optional(conn).await)?;
        Ok(owner.filter(|owner| self.caller.sees(*owner)))
    }
}
