//! What clicks are counted by: whose they are, when they were, and what is known of who clicked.

mod known;

use serde::{Deserialize, Serialize};

pub use self::known::{BOT, Known};
use super::{UrlId, UserId, clock::Timestamp};

/// Seconds of a slot, the finest unit of time that clicks are counted in: every zone in use is off UTC by whole
/// quarters of an hour.
pub const SLOT_SECONDS: i64 = 900;
/// Slots of a day in UTC, as a literal for SQL.
macro_rules! slots_per_day {
    () => {
        96
    };
}
/// Values kept of a dimension for each subject and day, as a literal for SQL.
macro_rules! values_kept {
    () => {
        100
    };
}
/// The day of a slot in SQL, rounded down for days before 1970 too.
macro_rules! day_of_slot {
    ($slot:literal) => {
        concat!(
            "(",
            $slot,
            " - (",
            $slot,
            " % ",
            $crate::domain::rollup::slots_per_day!(),
            " + ",
            $crate::domain::rollup::slots_per_day!(),
            ") % ",
            $crate::domain::rollup::slots_per_day!(),
            ") / ",
            $crate::domain::rollup::slots_per_day!()
        )
    };
}
pub(crate) use {day_of_slot, slots_per_day, values_kept};

/// Slots of a day in UTC.
pub const SLOTS_PER_DAY: i64 = slots_per_day!();

/// Values kept of a dimension for each subject and day; what comes later is counted as [`OTHER`].
pub const VALUES_KEPT: i64 = values_kept!();
/// The value that stands for those not kept.
pub const OTHER: &str = "other";

/// Whose clicks a rollup counts, as the database keeps it: a link's id, minus a user's id, or 0 for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct Subject(pub i64);

impl Subject {
    /// Every click.
    pub const ALL: Self = Self(0);

    /// One link's.
    pub fn url(id: UrlId) -> Self {
        Self(id.0)
    }

    /// Those of a user's links together, deleted ones included.
    pub fn user(id: UserId) -> Self {
        Self(-id.0)
    }

    /// The order in which rows are locked: those that fewest batches share come first, so that the row that all share
    /// is held for the shortest time.
    pub fn lock_order(self) -> (u8, i64) {
        match self.0 {
            id if id > 0 => (0, id),
            0 => (2, 0),
            id => (1, -id),
        }
    }
}

/// The slot that a moment is in, in slots since 1970-01-01.
pub fn slot_of(at: Timestamp) -> i64 {
    at.timestamp().div_euclid(SLOT_SECONDS)
}

/// The day in UTC that a moment is in, in days since 1970-01-01.
pub fn day_of(at: Timestamp) -> i64 {
    slot_of(at).div_euclid(SLOTS_PER_DAY)
}

/// The first day that an event can be of, in the year 1.
pub const FIRST_DAY: i64 = -719_162;
/// The last one, in the year 9999.
pub const LAST_DAY: i64 = 2_932_896;

/// A moment before which every click of a day is, as both databases compare them. SQLite compares times as text, in
/// which the year 10000 comes first; there no moment of a click has as many digits as this one.
pub fn end_of(day: i64, embedded: bool) -> Timestamp {
    let next = first_moment(day + 1);
    if embedded && day == LAST_DAY { next - chrono::TimeDelta::nanoseconds(1) } else { next }
}

/// The moment at which a day in UTC begins.
pub fn first_moment(day: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(day.saturating_mul(SLOTS_PER_DAY * SLOT_SECONDS), 0).unwrap_or_default()
}

/// What is known of who clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[repr(i16)]
pub enum Dimension {
    /// The host of the page that led here.
    Referrer = 1,
    /// Two letters, ISO 3166-1.
    Country = 2,
    /// The browser's name.
    Browser = 3,
    /// The operating system's name.
    Os = 4,
    /// The class of device: `pc`, `smartphone`, …
    Device = 5,
    /// The preferred language, ISO 639.
    Language = 6,
}

impl Dimension {
    /// Every dimension, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Referrer, Self::Country, Self::Browser, Self::Os, Self::Device, Self::Language];

    /// Its key in an event's details and in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Referrer => "referrer",
            Self::Country => "country",
            Self::Browser => "browser",
            Self::Os => "os",
            Self::Device => "device",
            Self::Language => "language",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_1970_are_in_slots_before_zero() {
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!((slot_of(at(-1)), day_of(at(-1))), (-1, -1));
        assert_eq!((slot_of(at(899)), slot_of(at(900)), day_of(at(86_399)), day_of(at(86_400))), (0, 1, 0, 1));
    }

    #[test]
    fn the_row_that_all_share_is_locked_last() {
        let mut subjects = [Subject::ALL, Subject::user(UserId(7)), Subject::url(UrlId(9)), Subject::url(UrlId(2))];
        subjects.sort_by_key(|subject| subject.lock_order());
        assert_eq!(subjects.map(|subject| subject.0), [2, 9, -7, 0]);
    }
}
