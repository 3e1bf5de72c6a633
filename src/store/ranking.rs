//! Links with their clicks, and in the order of these.
//!
//! The clicks of all times are in `click_totals`, which has a row for each link from its beginning.

use super::{UrlFilter, urls::filtered};
use crate::{
    db::{Result, Store, columns::url_columns, on_pool},
    domain::{
        Url, UrlId,
        page::{PageStart, Sort, SortKey},
    },
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

    /// At most `limit` links with their clicks, in this order.
    pub async fn counted_urls(
        &self,
        filter: UrlFilter,
        sort: Sort,
        start: PageStart,
        limit: u32,
    ) -> Result<Vec<CountedUrl>> {
        let (head, id) = if sort.key == SortKey::Clicks { (RANKED, "url_id") } else { (LIST, "id") };
        filtered(head, filter).page(sort, id, start, limit).rows(self).await
    }
}
