//! The parameters that the OpenAPI document tells of.

#![expect(dead_code, reason = "describes what `ListQuery` and `Idempotency` read")]

use utoipa::{
    IntoParams,
    openapi::schema::{Object, ObjectBuilder, Type},
};

use crate::domain::{EmailAddress, EventType, UrlId, UserId, Username, stats::DEFAULT_TOP};

/// A number from 1 on. Without a format, which would say how large it may be: what is too large is taken as what may
/// be.
fn from_one(default: Option<u32>) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).default(default.map(Into::into)).build()
}

fn page() -> Object {
    from_one(None)
}

fn per_page() -> Object {
    // Without any parameter every row is sent, so there is no default.
    from_one(None)
}

fn top() -> Object {
    from_one(Some(DEFAULT_TOP))
}

/// One of these words.
fn one_of(words: &[&str], default: Option<&str>) -> Object {
    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied()));
    words.default(default.map(Into::into)).build()
}

fn sort() -> Object {
    one_of(&["id", "-id", "created_at", "-created_at", "clicks", "-clicks"], None)
}

fn order() -> Object {
    one_of(&["id", "-id", "created_at", "-created_at"], None)
}

fn event_order() -> Object {
    one_of(&["id", "-id"], None)
}

fn include() -> Object {
    one_of(&["clicks"], None)
}

fn unit() -> Object {
    one_of(&["hour", "day", "week", "month"], Some("day"))
}

/// Which part of a list. Without any of these, every row is sent.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The page, from 1.
    #[param(schema_with = page, example = 1)]
    page: Option<u64>,
    /// Rows of a page: 20 if it is left out beside `page` or `cursor`; more than 1,000 is taken as 1,000.
    #[param(schema_with = per_page, example = 20)]
    per_page: Option<u32>,
    /// The beginning of the page, as `after-20`: the `next` link has it. It wins over `page`.
    #[param(pattern = "^after-([a-z_]+-[0-9]+-)?[0-9]+$", example = "after-20")]
    cursor: Option<String>,
    /// Whether to count all rows, for `X-Total-Count`.
    count: Option<bool>,
}

/// Which links. Filters may also stand in a JSON body; the query wins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UrlFilters {
    /// Only this user's.
    user_id: Option<UserId>,
    /// Only those that can, or cannot, be followed.
    is_active: Option<bool>,
    /// Only the one with this code.
    #[param(example = "roadmap")]
    short_code: Option<String>,
    /// Only those created at this time or later: a time, or a day in UTC.
    #[param(example = "2026-03-01")]
    created_after: Option<String>,
    /// Only those created before this time.
    #[param(example = "2026-04-01T00:00:00Z")]
    created_before: Option<String>,
    /// `-created_at`: the newest first. `clicks`: the least followed first; `-clicks`: the most followed first, and each
    /// link then has `clicks`. A `cursor` is good for the order that gave it out.
    #[param(schema_with = sort, example = "-created_at")]
    sort: Option<String>,
}

/// Which users. Filters may also stand in a JSON body; the query wins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserFilters {
    /// Only the one of this name.
    username: Option<Username>,
    /// Only the one with this address.
    email: Option<EmailAddress>,
    /// Only those created at this time or later: a time, or a day in UTC.
    #[param(example = "2026-03-01")]
    created_after: Option<String>,
    /// Only those created before this time.
    #[param(example = "2026-04-01T00:00:00Z")]
    created_before: Option<String>,
}

/// In which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Order {
    /// `-created_at`: the newest first. A `cursor` is good for the order that gave it out.
    #[param(schema_with = order, example = "-created_at")]
    sort: Option<String>,
}

/// In which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventOrder {
    /// `-id`: the newest first, as they were stored.
    #[param(schema_with = event_order, example = "-id")]
    sort: Option<String>,
}

/// What to answer beside the fields of a link.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IncludeClicks {
    /// `clicks`: how often each link was followed.
    #[param(schema_with = include, example = "clicks")]
    include: Option<String>,
}

/// Which clicks, and in which buckets.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatsRange {
    /// The beginning of the range: a time, or a day in the zone. Without it the range has thirty days.
    #[param(example = "2026-03-01")]
    from: Option<String>,
    /// The end of the range: a time, which is excluded, or a day in the zone, which is included. Without it the range
    /// ends with today.
    #[param(example = "2026-03-30")]
    to: Option<String>,
    /// How long a bucket is; a range has 1,000 at most.
    #[param(schema_with = unit, example = "day")]
    unit: Option<String>,
    /// The zone, by its IANA name, in which buckets begin.
    #[param(default = "UTC", example = "Europe/Berlin")]
    tz: Option<String>,
    /// Values that are told of each dimension; more than 1,000 is taken as 1,000.
    #[param(schema_with = top)]
    top: Option<u32>,
}

/// Which events. Filters may also stand in a JSON body; the query wins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventFilters {
    /// Only those about this link.
    url_id: Option<UrlId>,
    /// Only those by this user.
    user_id: Option<UserId>,
    /// Only those of this type.
    event_type: Option<EventType>,
    /// Only those that happened at this time or later: a time, or a day in UTC.
    #[param(example = "2026-03-01")]
    timestamp_after: Option<String>,
    /// Only those that happened before this time.
    #[param(example = "2026-04-01T00:00:00Z")]
    timestamp_before: Option<String>,
}

/// Where a stream of events begins; from now on without either.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// The id of the last event that the client has; 0 for every event there is.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1234)]
    after: Option<i64>,
}

/// Where a stream of events goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct LastEventId {
    /// The same as `after`, as browsers send it when they come back; it wins.
    #[param(rename = "Last-Event-ID", pattern = "^[0-9]*$", example = "1234")]
    last_event_id: Option<String>,
}

/// What a POST takes besides its body.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// Makes a repeated request harmless: the same key and body get the same answer for 24 hours.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, nullable = false)]
    idempotency_key: Option<String>,
}
