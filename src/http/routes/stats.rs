//! `/stats` and `/urls/{id}/stats`: how often links were followed, when, and by whom.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        Caller, Subject, UrlId,
        clock::Timestamp,
        stats::{Calendar, Top, Unit, Zone},
    },
    http::{
        Error,
        extract::{ListQuery, Named, Resource},
        list::ListPermit,
        openapi::StatsRange,
    },
    state::AppState,
    stats::read::{Count, Statistics, ValueCount},
};

/// Clicks of a range of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Statistics)]
pub struct StatisticsBody {
    /// The link; null if the statistics are of all links.
    #[schema(required = true)]
    url_id: Option<UrlId>,
    /// When the range begins, UTC: what was asked for, rounded down to a quarter of an hour.
    #[schema(value_type = String, format = DateTime, example = "2026-03-01T00:00:00Z")]
    from: Timestamp,
    /// When the range ends, UTC: what was asked for, rounded up to a quarter of an hour. This moment is no longer in
    /// it.
    #[schema(value_type = String, format = DateTime, example = "2026-03-31T00:00:00Z")]
    to: Timestamp,
    /// How long the buckets of `series` are.
    unit: Unit,
    /// The zone in which they begin.
    #[schema(value_type = String, example = "Europe/Berlin")]
    tz: Zone,
    /// Clicks of people and programs.
    total: i64,
    /// Clicks of people.
    people: i64,
    /// Clicks of programs known as such.
    bots: i64,
    /// Visitors of each day in UTC that the range touches, added up: a visitor on two days counts twice. At most
    /// `people`.
    unique: i64,
    /// The clicks of each bucket, without gaps.
    series: Vec<Bucket>,
    /// The most frequent values of people's clicks, on the days in UTC that the range touches.
    top: TopValues,
}

/// The clicks of a bucket.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bucket {
    /// When the bucket begins, UTC. The first may begin before the range; its clicks are those within.
    #[schema(value_type = String, format = DateTime, example = "2026-03-01T00:00:00Z")]
    start: Timestamp,
    /// Clicks of people and programs.
    total: i64,
    /// Clicks of people.
    people: i64,
    /// Clicks of programs known as such.
    bots: i64,
}

/// A value and how many clicks had it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopValue {
    /// The value; `other`, always the last, stands for all values without an entry of their own.
    #[schema(example = "news.example.com")]
    value: String,
    /// How many clicks had it.
    clicks: i64,
}

/// The most frequent values, the most frequent first. Clicks of which a value is not known are in none.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopValues {
    /// Hosts of the pages that led here.
    referrer: Vec<TopValue>,
    /// Countries, ISO 3166-1.
    country: Vec<TopValue>,
    /// Browsers.
    browser: Vec<TopValue>,
    /// Operating systems.
    os: Vec<TopValue>,
    /// Classes of devices.
    device: Vec<TopValue>,
    /// Preferred languages, ISO 639.
    language: Vec<TopValue>,
}

/// How often a link was followed.
///
/// Read from rollups, so it costs the same however many clicks there are.
#[utoipa::path(
    get,
    path = "/urls/{id}/stats",
    tag = "stats",
    params(("id" = UrlId, Path), StatsRange),
    responses((status = 200, description = "The statistics", body = StatisticsBody)),
)]
pub async fn url_stats(
    State(app): State<AppState>,
    caller: Caller,
    _permit: ListPermit,
    Named(id): Named<UrlId>,
    query: ListQuery,
) -> Result<Json<StatisticsBody>, Error> {
    let asked = Asked::of(&query, app.clock.now())?;
    if let Some(owner) = caller.owner()
        && app.reading_store().await?.url(id).await?.is_none_or(|url| url.user_id != owner)
    {
        return Err(UrlId::not_found());
    }
    let store = app.counted_store().await?;
    let found = store.url_statistics(id, &asked.calendar, asked.top).await?.ok_or_else(UrlId::not_found)?;
    Ok(Json(asked.answer(Some(id), found)))
}

/// How often all links were followed.
///
/// Deleted links are included. With a user's key it is all links of that user.
#[utoipa::path(
    get,
    path = "/stats",
    tag = "stats",
    params(StatsRange),
    responses((status = 200, description = "The statistics", body = StatisticsBody)),
)]
pub async fn stats(
    State(app): State<AppState>,
    caller: Caller,
    _permit: ListPermit,
    query: ListQuery,
) -> Result<Json<StatisticsBody>, Error> {
    let asked = Asked::of(&query, app.clock.now())?;
    let store = app.counted_store().await?;
    let subject = caller.owner().map_or(Subject::ALL, Subject::user);
    let found = store.statistics(subject, &asked.calendar, asked.top).await?;
    Ok(Json(asked.answer(None, found)))
}

/// What a client asked for.
struct Asked {
    calendar: Calendar,
    unit: Unit,
    zone: Zone,
    top: Top,
}

impl Asked {
    fn of(query: &ListQuery, now: Timestamp) -> Result<Self, Error> {
        let unit = query.get("unit")?.unwrap_or_default();
        let zone = query.get("tz")?.unwrap_or_default();
        let top = query.get("top")?.unwrap_or_default();
        let calendar = Calendar::of((query.get("from")?, query.get("to")?), unit, zone, now)
            .map_err(|(name, fault)| Error::invalid_field(name, fault))?;
        Ok(Self { calendar, unit, zone, top })
    }

    fn answer(self, url_id: Option<UrlId>, found: Statistics) -> StatisticsBody {
        let sum = found.sum();
        let series = self.calendar.starts().zip(&found.series);
        StatisticsBody {
            url_id,
            from: self.calendar.from(),
            to: self.calendar.to(),
            unit: self.unit,
            tz: self.zone,
            total: sum.total(),
            people: sum.people,
            bots: sum.bots,
            // Daily visitors of days that the range only touches are no more than its clicks.
            unique: found.unique.min(sum.people),
            series: series.map(|(start, count)| Bucket::new(start, *count)).collect(),
            top: TopValues::new(found.top),
        }
    }
}

impl Bucket {
    fn new(start: Timestamp, count: Count) -> Self {
        Self { start, total: count.total(), people: count.people, bots: count.bots }
    }
}

impl TopValues {
    fn new(top: [Vec<ValueCount>; 6]) -> Self {
        let [referrer, country, browser, os, device, language] = top
            .map(|values| values.into_iter().map(|ValueCount { value, clicks }| TopValue { value, clicks }).collect());
        Self { referrer, country, browser, os, device, language }
    }
}
