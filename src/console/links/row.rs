//! Rows of the list: a page of links, each with its month of clicks, from two queries however many they are.

use std::collections::HashMap;

use super::{
    super::{
        fault::Fault,
        format::{When, number},
        visit::Visit,
    },
    Link,
    spark::{DAYS, Spark},
};
use crate::domain::UrlId;

/// Seconds of a day in UTC.
const DAY: i64 = 86_400;

/// A link in the list.
pub(in crate::console) struct Row {
    pub(in crate::console) link: Link,
    pub(in crate::console) clicks: String,
    pub(in crate::console) spark: Spark,
    pub(in crate::console) changed: When,
}

/// The rows of links.
pub(super) async fn rows(visit: &Visit, links: Vec<Link>) -> Result<Vec<Row>, Fault> {
    let first_day = visit.now().timestamp() / DAY - (DAYS as i64 - 1);
    let ids: Vec<UrlId> = links.iter().map(|link| UrlId(link.id)).collect();
    let mut days: HashMap<i64, [i64; DAYS]> = HashMap::new();
    for (subject, day, clicks) in visit.app.store()?.clicks_by_day(&ids, first_day).await? {
        let place = usize::try_from(day - first_day).ok();
        if let Some(cell) = place.and_then(|place| days.entry(subject).or_insert([0; DAYS]).get_mut(place)) {
            *cell = clicks;
        }
    }
    let row = |link: Link| {
        let spark = Spark::of(days.get(&link.id).unwrap_or(&[0; DAYS]));
        let (clicks, changed) = (number(link.clicks), link.changed(visit));
        Row { link, clicks, spark, changed }
    };
    Ok(links.into_iter().map(row).collect())
}
