//! Statistics: which clicks are asked for, and the buckets of time that they are counted in.
//!
//! Promises: buckets follow one another without gaps, each begins where its hour, day, week or month begins in the zone
//! asked for, and there are at most [`MAX_BUCKETS`]. Clicks are counted in slots of a quarter of an hour, so a range is
//! rounded out to whole ones. Leaves out: reading the counts.

mod calendar;
mod edge;

use std::{fmt, str::FromStr};

use chrono_tz::Tz;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

pub use self::{
    calendar::{Calendar, Run},
    edge::Edge,
};
use super::text::Invalid;

/// Buckets of a series at most.
pub const MAX_BUCKETS: usize = 1_000;
/// Values that are told of each dimension if the client names no number.
pub const DEFAULT_TOP: u32 = 10;
/// Values that are told of each dimension at most; more is clamped.
pub const MAX_TOP: u32 = 1_000;
/// Days that are counted if the client names no range, today included.
pub const DEFAULT_DAYS: u64 = 30;

/// How long a bucket of a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// An hour of the clock in the zone.
    Hour,
    /// A day in the zone, which has 23 or 25 hours when the clocks change.
    #[default]
    Day,
    /// A week from Monday on (ISO 8601).
    Week,
    /// A month of the calendar.
    Month,
}

impl FromStr for Unit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(Invalid("must be hour, day, week or month")),
        }
    }
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(pub(super) Tz);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl FromStr for Zone {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| Invalid("must be the IANA name of a time zone, such as Europe/Berlin"))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// How many values of each dimension are told: a positive number, [`MAX_TOP`] at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top(pub u32);

impl Default for Top {
    fn default() -> Self {
        Self(DEFAULT_TOP)
    }
}

impl FromStr for Top {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        super::page::positive(text).map(|n| Self(u32::try_from(n).unwrap_or(MAX_TOP).min(MAX_TOP)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_exactly() {
        assert_eq!("week".parse(), Ok(Unit::Week));
        assert!(["", "Day", "year", "days"].iter().all(|text| text.parse::<Unit>().is_err()));
        assert_eq!("Asia/Kathmandu".parse::<Zone>().unwrap().to_string(), "Asia/Kathmandu");
        assert!(["", "Mars/Olympus", "+01:00"].iter().all(|text| text.parse::<Zone>().is_err()));
        assert_eq!("99999999999".parse(), Ok(Top(MAX_TOP)));
        assert!(["0", "-1", "ten", "1.5", ""].iter().all(|text| text.parse::<Top>().is_err()));
    }
}
