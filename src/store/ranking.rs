//! Links with their clicks, and in the order of these.
//!
//! The clicks of all times are in `click_totals`, which has a row for each link from its beginning: a trigger sees to it,
//! so that links made by an earlier version of the program during a deployment are in these lists too.

use sqlx::QueryBuilder;

use super::{UrlFilter, paging::bounds};
use crate::{
    db::{Result, Store, on_pool},
    domain::{Url, UrlId, page::PageStart, stats::ByClicks},
};

const BY_ID: &str = "SELECT u.id, u.user_id, u.short_code, u.original_url, u.title, u.is_active, u.created_at, \
                     u.updated_at, u.disabled_reason, coalesce(t.clicks, 0) AS clicks \
                     FROM urls u LEFT JOIN click_totals t ON t.url_id = u.id WHERE u.id = $1";

pub(crate) const STATEMENTS: &[&str] = &[BY_ID];

// Lists have optional filters; their statements are put together from these parts.
const LIST: &str = "SELECT u.id, u.user_id, u.short_code, u.original_url, u.title, u.is_active, u.created_at, \
                    u.updated_at, u.disabled_reason, coalesce(t.clicks, 0) AS clicks \
                    FROM urls u LEFT JOIN click_totals t ON t.url_id = u.id WHERE u.id > ";
const RANKED: &str = "SELECT u.id, u.user_id, u.short_code, u.original_url, u.title, u.is_active, u.created_at, \
                      u.updated_at, u.disabled_reason, t.clicks FROM click_totals t JOIN urls u ON u.id = t.url_id WHERE TRUE";

/// A link and its clicks of all times, those of programs included.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CountedUrl {
    /// The link.
    #[sqlx(flatten)]
    pub url: Url,
    /// How often it was followed.
    pub clicks: i64,
}

/// Adds a filter's conditions.
macro_rules! filter {
    ($statement:expr, $filter:expr) => {
        for user_id in [$filter.owner, $filter.user_id].into_iter().flatten() {
            $statement.push(" AND u.user_id = ").push_bind(user_id);
        }
        if let Some(is_active) = $filter.is_active {
            $statement.push(" AND u.is_active = ").push_bind(is_active);
        }
    };
}

impl Store {
    /// The link with this id, and its clicks.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn counted_url(&self, id: UrlId) -> Result<Option<CountedUrl>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await)?)
    }

    /// At most `limit` links with their clicks, in `id` order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn counted_urls(&self, filter: UrlFilter, start: PageStart, limit: u32) -> Result<Vec<CountedUrl>> {
        let (after, offset) = bounds(start);
        Ok(on_pool!(self, |pool, Db| {
            let mut statement = QueryBuilder::<Db>::new(LIST);
            statement.push_bind(after);
            filter!(statement, filter);
            statement.push(" ORDER BY u.id LIMIT ").push_bind(i64::from(limit)).push(" OFFSET ").push_bind(offset);
            statement.build_query_as().fetch_all(pool).await
        })?)
    }

    /// At most `limit` links in the order of their clicks, and of their ids where these are equal.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn urls_by_clicks(
        &self,
        order: ByClicks,
        filter: UrlFilter,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<CountedUrl>> {
        let (beyond, sorted) = match order {
            ByClicks::Ascending => (" AND (t.clicks, t.url_id) > (", " ORDER BY t.clicks, t.url_id LIMIT "),
            ByClicks::Descending => (" AND (t.clicks, t.url_id) < (", " ORDER BY t.clicks DESC, t.url_id DESC LIMIT "),
        };
        let (_, offset) = bounds(start);
        Ok(on_pool!(self, |pool, Db| {
            let mut statement = QueryBuilder::<Db>::new(RANKED);
            if let PageStart::After(cursor) = start {
                statement.push(beyond).push_bind(cursor.clicks.unwrap_or_default()).push(", ");
                statement.push_bind(cursor.id).push(")");
            }
            filter!(statement, filter);
            statement.push(sorted).push_bind(i64::from(limit)).push(" OFFSET ").push_bind(offset);
            statement.build_query_as().fetch_all(pool).await
        })?)
    }
}
