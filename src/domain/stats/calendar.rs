//! The buckets of a range: the starts of hours, days, weeks and months by the clocks of a zone.
//!
//! Whatever a zone does, its buckets are found by asking it for local times, never by adding up hours: days of 23 and
//! 25 hours, days that begin at one o'clock, and days that a country left out come out right.

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _,
};

use super::{DEFAULT_DAYS, Edge, MAX_BUCKETS, Unit, Zone};
use crate::domain::{
    clock::Timestamp,
    rollup::{SLOT_SECONDS, SLOTS_PER_DAY, slot_of},
    text::Invalid,
};

/// Slots of an hour.
const HOUR: i64 = 3_600 / SLOT_SECONDS;

/// A range of time in buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The slot with which the range begins.
    from: i64,
    /// The slot before which it ends.
    to: i64,
    /// The slots with which buckets begin; the first may lie before the range.
    starts: Vec<i64>,
    /// The slots with which hours or days begin, and the end of the last one: what buckets are made of.
    cells: Vec<i64>,
}

/// Cells of equal length that follow one another, as far as they are in the range: what one statement can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The slot with which the first cell begins.
    pub base: i64,
    /// Slots of each cell.
    pub width: i64,
    /// The first slot to be counted.
    pub from: i64,
    /// The slot before which the count ends.
    pub to: i64,
}

impl Calendar {
    /// The buckets between two edges. What is missing is made up for: the range then ends with today, or begins so that
    /// it has thirty days.
    ///
    /// # Errors
    /// Names the parameter at fault: a range that ends before it begins, or has too many buckets.
    pub fn of(
        (from, to): (Option<Edge>, Option<Edge>),
        unit: Unit,
        zone: Zone,
        now: Timestamp,
    ) -> Result<Self, (&'static str, Invalid)> {
        let end = match to {
            Some(Edge::Day(day)) => zone.first_moment(next(day)),
            Some(edge) => zone.moment(edge),
            None => zone.first_moment(next(zone.day(now))),
        };
        // A slot that has begun belongs to the range.
        let end = slot_of(end + TimeDelta::microseconds(SLOT_SECONDS * 1_000_000 - 1));
        let begin = match from {
            Some(edge) => zone.moment(edge),
            None => zone.first_moment(zone.day(moment_of(end - 1)) - Days::new(DEFAULT_DAYS - 1)),
        };
        let begin = slot_of(begin);
        if begin >= end {
            return Err(if to.is_some() {
                ("to", Invalid("must be later than from"))
            } else {
                ("from", Invalid("must be earlier than the end of today"))
            });
        }
        Self::between(begin, end, unit, zone).ok_or((
            "unit",
            Invalid("makes more than 1,000 buckets of this range; a longer unit or a shorter range makes fewer"),
        ))
    }

    /// None if there are too many buckets.
    fn between(from: i64, to: i64, unit: Unit, zone: Zone) -> Option<Self> {
        // From below, so that a range of centuries is refused before its days are counted out.
        let longest = match unit {
            Unit::Hour => 2 * HOUR,
            Unit::Day => 26 * HOUR,
            Unit::Week => 8 * SLOTS_PER_DAY,
            Unit::Month => 32 * SLOTS_PER_DAY,
        };
        if (to - from) / longest > MAX_BUCKETS as i64 + 1 {
            return None;
        }
        let cells = if unit == Unit::Hour { zone.hours(from, to) } else { zone.days(from, to) };
        let starts = match unit {
            Unit::Hour | Unit::Day => cells[..cells.len() - 1].to_vec(),
            Unit::Week => zone.periods(from, to, |day| day - Days::new(day.weekday().num_days_from_monday().into())),
            Unit::Month => zone.periods(from, to, |day| day.with_day(1).unwrap_or(day)),
        };
        (starts.len() <= MAX_BUCKETS).then_some(Self { from, to, starts, cells })
    }

    /// When the range begins.
    pub fn from(&self) -> Timestamp {
        moment_of(self.from)
    }

    /// When it ends; this moment is no longer in it.
    pub fn to(&self) -> Timestamp {
        moment_of(self.to)
    }

    /// The days in UTC that the range touches, the last one not included.
    pub fn days(&self) -> (i64, i64) {
        (self.from.div_euclid(SLOTS_PER_DAY), (self.to - 1).div_euclid(SLOTS_PER_DAY) + 1)
    }

    /// When each bucket begins.
    pub fn starts(&self) -> impl ExactSizeIterator<Item = Timestamp> {
        self.starts.iter().map(|slot| moment_of(*slot))
    }

    /// The bucket that a slot of the range is in.
    pub fn bucket(&self, slot: i64) -> usize {
        self.starts.partition_point(|start| *start <= slot).saturating_sub(1)
    }

    /// Whether the range and its cells are whole days in UTC.
    pub fn is_of_whole_days(&self) -> bool {
        let edges = [self.from, self.to];
        self.cells.iter().chain(&edges).all(|slot| slot.rem_euclid(SLOTS_PER_DAY) == 0)
    }

    /// The cells, those of equal length together: one run, and two or three if the clocks change within the range.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for cell in self.cells.windows(2) {
            let (base, width) = (cell[0], cell[1] - cell[0]);
            match runs.last_mut().filter(|run| run.width == width) {
                Some(run) => run.to = cell[1].min(self.to),
                None => runs.push(Run { base, width, from: base.max(self.from), to: cell[1].min(self.to) }),
            }
        }
        runs
    }
}

impl Zone {
    /// How far the zone's clocks are ahead of UTC at this slot, in seconds.
    fn offset(self, slot: i64) -> i64 {
        let utc = moment_of(slot).naive_utc();
        self.0.offset_from_utc_datetime(&utc).fix().local_minus_utc().into()
    }

    /// The day that a moment is in.
    fn day(self, at: Timestamp) -> NaiveDate {
        at.with_timezone(&self.0).date_naive()
    }

    fn day_of(self, slot: i64) -> NaiveDate {
        self.day(moment_of(slot))
    }

    fn moment(self, edge: Edge) -> Timestamp {
        match edge {
            Edge::Day(day) => self.first_moment(day),
            Edge::Local(local) => self.first_at(local),
            Edge::Moment(moment) => moment,
        }
    }

    fn first_moment(self, day: NaiveDate) -> Timestamp {
        self.first_at(day.and_time(NaiveTime::MIN))
    }

    /// The first moment at which the clocks show `local` or, if they leap over it, what follows: a leap is a day at
    /// most.
    fn first_at(self, local: NaiveDateTime) -> Timestamp {
        let later = (0..=SLOTS_PER_DAY).map(|slots| local + TimeDelta::seconds(slots * SLOT_SECONDS));
        let shown = later.filter_map(|local| self.0.from_local_datetime(&local).earliest()).next();
        shown.map_or_else(|| local.and_utc(), |moment| moment.to_utc())
    }

    /// The starts of the clock's hours, from the one that `from` is in to the end of the one before `to`.
    fn hours(self, from: i64, to: i64) -> Vec<i64> {
        let begins =
            |slot: &i64| (slot * SLOT_SECONDS + self.offset(*slot)).div_euclid(SLOT_SECONDS).rem_euclid(HOUR) == 0;
        let first = (0..).map(|back| from - back).find(begins).unwrap_or(from);
        let mut hours: Vec<i64> = std::iter::once(first).chain((first + 1..to).filter(begins)).collect();
        hours.push((to..).find(begins).unwrap_or(to));
        hours
    }

    /// The starts of days, from the one that `from` is in to the end of the one before `to`.
    fn days(self, from: i64, to: i64) -> Vec<i64> {
        let (first, last) = (self.day_of(from), self.day_of(to - 1));
        let days = first.iter_days().take_while(|day| *day <= next(last));
        let mut days: Vec<i64> = days.map(|day| slot_of(self.first_moment(day))).collect();
        // A day that was left out begins with the next one.
        days.dedup();
        // By the sun's time, as before zones were agreed on, the last day ends within a slot, which belongs to the
        // range.
        if let Some(end) = days.last_mut() {
            *end = to.max(*end);
        }
        days
    }

    /// The starts of weeks or months, `first` telling a day's first day of its week or month.
    fn periods(self, from: i64, to: i64, first: impl Fn(NaiveDate) -> NaiveDate) -> Vec<i64> {
        let days = first(self.day_of(from)).iter_days().take_while(|day| *day <= self.day_of(to - 1));
        days.filter(|day| first(*day) == *day).map(|day| slot_of(self.first_moment(day))).collect()
    }
}

fn next(day: NaiveDate) -> NaiveDate {
    day + Days::new(1)
}

fn moment_of(slot: i64) -> Timestamp {
    DateTime::from_timestamp(slot * SLOT_SECONDS, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests;
