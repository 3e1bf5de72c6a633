//! Links with their clicks, and in the order of these.
//!
//! The clicks of all times are in `click_totals`, which has a row for each link from its beginning.

use super::{UrlFilter, paging::bounds, urls::filtered};
use crate::{
    db::{Result, Store, columns::url_columns, on_pool},
    domain::{Url, UrlId, page::PageStart, stats::ByClicks},
};

// `click_totals` is narrowed to two columns, so that no name is ambiguous.
const LIST: &str = concat!(
    "SELECT ",
    url_columns!(),
    r", coalesce(clicks, 0) AS clicks
    FROM urls
    LEFT JOIN (SELECT url_id, clicks FROM click_totals) t ON url_id = id",
);
const RANKED: &str = concat!(
    "SELECT ",
    url_columns!(),
    r", clicks
    FROM (SELECT url_id, clicks FROM click_totals) t
    JOIN urls ON id = url_id",
);
const BY_ID: &str = concat!(
    "SELECT ",
    url_columns!(),
    r", coalesce(clicks, 0) AS clicks
    FROM urls
    LEFT JOIN (SELECT url_id, clicks FROM click_totals) t ON url_id = id
    WHERE id = $1",
);

pub(crate) const STATEMENTS: &[&str] = &[BY_ID];

/// A link and its clicks of all times, those of programs included.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CountedUrl {
    /// The link.
    #[sqlx(flatten)]
    pub url: Url,
    /// How often it was followed.
    pub clicks: i64,
}

impl Store {
    /// The link with this id, and its clicks.
    pub async fn counted_url(&self, id: UrlId) -> Result<Option<CountedUrl>> {
        Ok(on_pool!(self, |pool| sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await)?)
    }

    /// At most `limit` links with their clicks, in `id` order.
    pub async fn counted_urls(&self, filter: UrlFilter, start: PageStart, limit: u32) -> Result<Vec<CountedUrl>> {
        let (after, _) = bounds(start);
        filtered(LIST, filter).and("id > ", Some(after)).page(" ORDER BY id", start, limit).rows(self).await
    }

    /// At most `limit` links in the order of their clicks, and of their ids if these are equal.
    pub async fn urls_by_clicks(
        &self,
        order: ByClicks,
        filter: UrlFilter,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<CountedUrl>> {
        let (beyond, sorted) = match order {
            ByClicks::Ascending => ("(clicks, url_id) > (", " ORDER BY clicks, url_id"),
            ByClicks::Descending => ("(clicks, url_id) < (", " ORDER BY clicks DESC, url_id DESC"),
        };
        let mut select = filtered(RANKED, filter);
        if let PageStart::After(cursor) = start {
            let clicks = cursor.clicks.unwrap_or_default();
            select = select.and(beyond, Some(clicks)).push(", ").bind(cursor.id).push(")");
        }
        select.page(sorted, start, limit).rows(self).await
    }
}
