//! Statistics as a page shows them: a range, its figures beside those of the range before, a series, the top lists.

pub(super) mod all;
pub(super) mod asked;
pub(super) mod bars;

use serde::Deserialize;

use self::{
    asked::Asked,
    bars::{Bar, Bars},
};
use super::{fault::Fault, format::number, visit::Visit};
use crate::domain::clock::Timestamp;

/// Statistics as the API answers them.
#[derive(Debug, Deserialize)]
struct Body {
    total: i64,
    people: i64,
    bots: i64,
    unique: i64,
    series: Vec<Bucket>,
    top: Top,
    #[serde(default)]
    refused: std::collections::BTreeMap<String, i64>,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    start: Timestamp,
    people: i64,
    bots: i64,
}

#[derive(Debug, Deserialize)]
struct Top {
    referrer: Vec<Bar>,
    country: Vec<Bar>,
    browser: Vec<Bar>,
    os: Vec<Bar>,
    device: Vec<Bar>,
    language: Vec<Bar>,
}

/// The figures of a range without the rest.
#[derive(Debug, Deserialize)]
struct Sums {
    total: i64,
    people: i64,
    bots: i64,
    unique: i64,
}

/// One figure, and how it differs from the range before.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) value: String,
    pub(super) change: String,
}

/// A bucket of the series as the table shows it.
pub(super) struct Row {
    pub(super) start: String,
    /// Seconds since 1970, for the chart.
    pub(super) at: i64,
    pub(super) people: i64,
    pub(super) bots: i64,
}

/// What a page shows of a range.
pub(super) struct Shown {
    pub(super) asked: Asked,
    pub(super) figures: Vec<Figure>,
    pub(super) rows: Vec<Row>,
    pub(super) tops: Vec<Bars>,
    pub(super) refused: Vec<(String, i64)>,
    pub(super) is_empty: bool,
}

impl Shown {
    /// Asks the API at `path` for what the address of the page says.
    pub(super) async fn of(visit: &Visit, path: &str, query: &super::posted::Posted) -> Result<Self, Fault> {
        let asked = Asked::of(query, visit.now().date_naive());
        let body: Body = visit.read(&asked.in_api(path)).await?;
        let before: Option<Sums> = match asked.before() {
            Some(before) => Some(visit.read(&before.in_api(path)).await?),
            None => None,
        };
        Ok(Self::made(asked, body, before.as_ref()))
    }

    fn made(asked: Asked, body: Body, before: Option<&Sums>) -> Self {
        let figure = |name, meaning, now: i64, then: Option<i64>| Figure {
            name,
            meaning,
            value: number(now),
            change: then.map_or_else(String::new, |then| change(now, then)),
        };
        let figures = vec![
            figure("People", "clicks of people", body.people, before.map(|it| it.people)),
            figure("Visitors", "people by day, each counted once a day", body.unique, before.map(|it| it.unique)),
            figure("Programs", "clicks of bots, previews and tools", body.bots, before.map(|it| it.bots)),
            figure("All clicks", "people and programs", body.total, before.map(|it| it.total)),
        ];
        let zone: chrono_tz::Tz = asked.zone.parse().unwrap_or_default();
        let form = if asked.unit == "hour" { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d" };
        let row = |bucket: Bucket| Row {
            start: bucket.start.with_timezone(&zone).format(form).to_string(),
            at: bucket.start.timestamp(),
            people: bucket.people,
            bots: bucket.bots,
        };
        let Top { referrer, country, browser, os, device, language } = body.top;
        let tops = [
            ("Referrers", referrer),
            ("Countries", country),
            ("Browsers", browser),
            ("Systems", os),
            ("Devices", device),
            ("Languages", language),
        ];
        Self {
            figures,
            rows: body.series.into_iter().map(row).collect(),
            tops: tops.into_iter().map(|(name, bars)| Bars::of(name, bars)).collect(),
            refused: body.refused.into_iter().collect(),
            is_empty: body.total == 0,
            asked,
        }
    }
}

/// How a figure differs from the one before.
fn change(now: i64, then: i64) -> String {
    match (now, then) {
        (0, 0) => String::new(),
        (_, 0) => "none before".to_owned(),
        _ => {
            let percent = (now - then) as f64 * 100.0 / then as f64;
            if percent > 999.0 { format!("{} before", number(then)) } else { format!("{percent:+.0} % to before") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_against_the_range_before() {
        let told = [(0, 0), (5, 0), (15, 10), (5, 10), (2_000, 1)].map(|(now, then)| change(now, then));
        assert_eq!(told, ["", "none before", "+50 % to before", "-50 % to before", "1 before"]);
    }
}
