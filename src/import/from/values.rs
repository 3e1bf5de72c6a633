//! Times and counts as exports write them. What a value alone leaves open, the file decides.

use std::cell::RefCell;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::fields::{Fault, Fields};
use crate::domain::clock::Timestamp;

/// The order of day and month in dates such as 31/10/2021.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DateOrder {
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
}

/// What the values of a file have shown so far.
#[derive(Debug, Clone, Default)]
struct Seen {
    day_first: bool,
    month_first: bool,
    ambiguous: bool,
    zoneless: bool,
    separators: Vec<char>,
}

/// How the values of a file are read.
#[derive(Debug, Default)]
pub struct Reading {
    zone: Option<Tz>,
    order: Option<DateOrder>,
    /// Whether the file is read to learn the order of its dates.
    surveys: bool,
    seen: RefCell<Seen>,
}

impl Reading {
    /// Times without a zone are those of `zone`, else UTC; dates have this order, else the one that the file shows.
    pub fn new(zone: Option<Tz>, order: Option<DateOrder>) -> Self {
        Self { zone, order, ..Self::default() }
    }

    /// The same, to go over the file once before it is read.
    pub fn survey(zone: Option<Tz>, order: Option<DateOrder>) -> Self {
        Self { surveys: true, ..Self::new(zone, order) }
    }

    /// How to read the file after the survey.
    ///
    /// # Errors
    /// Says which question the file leaves open.
    pub fn decided(self) -> Result<Self, String> {
        let seen = self.seen.into_inner();
        let order = match (self.order, seen.day_first, seen.month_first) {
            (Some(order), ..) => Some(order),
            (None, true, true) => {
                return Err("its dates have days before months and months before days; one order is needed".to_owned());
            }
            (None, true, false) => Some(DateOrder::Dmy),
            (None, false, true) => Some(DateOrder::Mdy),
            (None, false, false) if seen.ambiguous => {
                return Err("its dates may be read in two ways: say --date-order dmy or --date-order mdy".to_owned());
            }
            (None, false, false) => None,
        };
        if seen.separators.len() > 1 {
            return Err("its counts have both commas and dots between thousands".to_owned());
        }
        Ok(Self { order, seen: RefCell::new(seen), ..Self::new(self.zone, None) })
    }

    /// What was decided for the file as a whole, in sentences.
    pub fn decisions(&self) -> Vec<String> {
        let (seen, mut told) = (self.seen.borrow(), Vec::new());
        match self.order {
            Some(DateOrder::Dmy) if seen.ambiguous || seen.day_first => told.push("dates are day, month, year"),
            Some(DateOrder::Mdy) if seen.ambiguous || seen.month_first => told.push("dates are month, day, year"),
            _ => {}
        }
        let mut told: Vec<String> = told.into_iter().map(str::to_owned).collect();
        if seen.zoneless {
            let zone =
                self.zone.map_or_else(|| "UTC; --timezone names another zone".to_owned(), |zone| zone.to_string());
            told.push(format!("times without a zone are those of {zone}"));
        }
        told
    }

    /// The first of these fields that holds something, as a time.
    pub(super) fn time(&self, fields: &Fields, names: &[&'static str]) -> Result<Option<Timestamp>, Fault> {
        let Some(name) = names.iter().copied().find(|name| fields.text(&[name]).is_some()) else { return Ok(None) };
        if let Some(Value::Number(number)) = fields.value(name) {
            let moment = number.as_i64().and_then(unix).ok_or_else(|| Fault::new(name, "is no time"))?;
            return Ok(Some(moment));
        }
        let text = fields.text(&[name]).unwrap_or_default();
        self.moment(&text).map(Some).ok_or_else(|| Fault::new(name, "is no time that can be read"))
    }

    /// The same, if 0 stands for never.
    pub(super) fn end(&self, fields: &Fields, names: &[&'static str]) -> Result<Option<Timestamp>, Fault> {
        if names.iter().all(|name| fields.text(&[name]).is_none_or(|text| text == "0")) {
            return Ok(None);
        }
        self.time(fields, names)
    }

    /// A count: whole, perhaps with the file's separator between thousands. A field without anything is 0.
    pub(super) fn count(&self, fields: &Fields, names: &[&'static str]) -> Result<u64, Fault> {
        let name = names.iter().copied().find(|name| fields.text(&[name]).is_some());
        let Some(name) = name else { return Ok(0) };
        let text = fields.text(&[name]).unwrap_or_default();
        self.whole(&text).filter(|count| *count <= MAX_COUNT).ok_or_else(|| Fault::new(name, "is no count"))
    }

    fn whole(&self, text: &str) -> Option<u64> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok();
        }
        let separator = text.chars().find(|c| !c.is_ascii_digit())?;
        if !matches!(separator, ',' | '.' | '\'' | '\u{a0}' | '\u{202f}' | ' ') {
            return None;
        }
        let groups: Vec<&str> = text.split(separator).collect();
        let (first, others) = groups.split_first()?;
        let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
        let is_grouped = (1..=3).contains(&first.len()) && others.iter().all(|group| group.len() == 3);
        if !is_grouped || !groups.iter().all(|group| digits(group)) {
            return None;
        }
        let mut seen = self.seen.borrow_mut();
        if !seen.separators.contains(&separator) && seen.separators.len() < 2 {
            seen.separators.push(separator);
        }
        groups.concat().parse().ok()
    }

    /// A time in one of the forms that exports use.
    fn moment(&self, text: &str) -> Option<Timestamp> {
        if let Ok(number) = text.parse::<i64>() {
            return if text.len() >= 9 { unix(number) } else { None };
        }
        let (text, offset) = split_offset(text);
        let naive = iso(text).or_else(|| self.numeric(text)).or_else(|| in_words(text))?;
        if let Some(minutes) = offset {
            return in_range(naive.checked_sub_signed(TimeDelta::minutes(minutes))?.and_utc());
        }
        self.seen.borrow_mut().zoneless = true;
        match self.zone.unwrap_or(Tz::UTC).from_local_datetime(&naive) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => in_range(moment.to_utc()),
            // The clocks passed over it: read by the offset that was in force before.
            LocalResult::None => {
                let before = naive.checked_sub_signed(TimeDelta::hours(3))?;
                let before = self.zone.unwrap_or(Tz::UTC).from_local_datetime(&before).earliest()?;
                in_range(before.to_utc() + TimeDelta::hours(3))
            }
        }
    }

    /// `31/10/2021`, `31.10.2021 08:15`.
    fn numeric(&self, text: &str) -> Option<NaiveDateTime> {
        let (date, time) = text.split_once([' ', 'T', ',']).unwrap_or((text, ""));
        let parts: Vec<&str> = date.split(['/', '.', '-']).collect();
        let [first, second, year] = parts[..] else { return None };
        if year.len() != 4 {
            return None;
        }
        let (first, second, year): (u32, u32, i32) = (first.parse().ok()?, second.parse().ok()?, year.parse().ok()?);
        {
            let mut seen = self.seen.borrow_mut();
            seen.day_first |= first > 12;
            seen.month_first |= second > 12;
            seen.ambiguous |= first <= 12 && second <= 12 && first != second;
        }
        let day_first = match self.order {
            Some(order) => order == DateOrder::Dmy,
            None if self.surveys || first == second => first > 12 || second <= 12,
            None => return None,
        };
        let (day, month) = if day_first { (first, second) } else { (second, first) };
        Some(NaiveDate::from_ymd_opt(year, month, day)?.and_time(clock(time.trim())?))
    }
}

/// Counts beyond this are none.
const MAX_COUNT: u64 = 1 << 50;

/// Seconds since 1970, or milliseconds if they are too many for that.
fn unix(number: i64) -> Option<Timestamp> {
    const MILLISECONDS_FROM: i64 = 100_000_000_000;
    let moment = if number.abs() >= MILLISECONDS_FROM {
        DateTime::from_timestamp_millis(number)
    } else {
        DateTime::from_timestamp(number, 0)
    };
    in_range(moment?)
}

/// Years that either database can hold.
fn in_range(moment: DateTime<Utc>) -> Option<Timestamp> {
    let years = DateTime::from_timestamp(-62_135_596_800, 0)?..DateTime::from_timestamp(253_402_300_800, 0)?;
    let micros = DateTime::from_timestamp_micros(moment.timestamp_micros())?;
    years.contains(&micros).then_some(micros)
}

/// Takes `Z`, `+01:00`, `+0100` or `+00` off the end: the rest, and the offset in minutes.
fn split_offset(text: &str) -> (&str, Option<i64>) {
    if let Some(rest) = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix(" UTC")) {
        return (rest, Some(0));
    }
    let Some(at) = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':')) else { return (text, None) };
    let digits: String = text[at + 1..].chars().filter(|c| *c != ':').collect();
    let number: Option<i64> = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    let minutes = match (digits.len(), number) {
        (2, Some(hours)) => hours * 60,
        (4, Some(both)) => both / 100 * 60 + both % 100,
        _ => return (text, None),
    };
    let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
    (text[..at].trim_end(), Some(sign * minutes))
}

/// `2025-05-11`, `2025-05-11T15:40:09.120`, `2025-10-01 06:00`.
fn iso(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let mut parts = date.splitn(3, ['-', '/']);
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let (month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(NaiveDate::from_ymd_opt(year, month, day)?.and_time(clock(time.trim())?))
}

/// `8:15`, `08:15:00.5`, `8:15 AM`; nothing is midnight.
fn clock(text: &str) -> Option<NaiveTime> {
    if text.is_empty() {
        return Some(NaiveTime::MIN);
    }
    let upper = text.to_ascii_uppercase();
    ["%H:%M:%S%.f", "%H:%M", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(&upper, form).ok())
}

/// `Mar 2, 2025 8:15 AM`, `20 September 2025`.
fn in_words(text: &str) -> Option<NaiveDateTime> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let (first, second, year) = (words.first()?, words.get(1)?, words.get(2)?);
    let month = |word: &str| {
        let start = word.get(..3)?.to_ascii_lowercase();
        let at = MONTHS.iter().position(|month| *month == start)?;
        word.bytes().all(|byte| byte.is_ascii_alphabetic()).then(|| u32::try_from(at + 1).ok())?
    };
    let (month, day) = match (month(first), month(second)) {
        (Some(month), _) => (month, second),
        (None, Some(month)) => (month, first),
        (None, None) => return None,
    };
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month, day.trim_end_matches('.').parse().ok()?)?;
    Some(date.and_time(clock(&words.get(3..).unwrap_or_default().join(" "))?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(reading: &Reading, text: &str) -> Option<String> {
        reading.moment(text).map(|moment| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[test]
    fn times_come_in_many_forms() {
        let reading = Reading::default();
        for (text, expected) in [
            ("2025-03-02T08:15:00+01:00", "2025-03-02T07:15:00Z"),
            ("2023-03-02T07:15:00+0000", "2023-03-02T07:15:00Z"),
            ("2024-03-02 07:15:00+00", "2024-03-02T07:15:00Z"),
            ("2024-05-11 15:40:09.12+00", "2024-05-11T15:40:09Z"),
            ("2025-05-11T15:40:09.000Z", "2025-05-11T15:40:09Z"),
            ("2025-05-11", "2025-05-11T00:00:00Z"),
            ("2025-10-01 06:00", "2025-10-01T06:00:00Z"),
            ("1757887199", "2025-09-14T21:59:59Z"),
            ("1757887199000", "2025-09-14T21:59:59Z"),
            ("Mar 2, 2025 8:15 AM", "2025-03-02T08:15:00Z"),
            ("20 September 2025", "2025-09-20T00:00:00Z"),
        ] {
            assert_eq!(read(&reading, text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "soon", "2025-02-30", "12345", "99/99/2025", "2025", "20 Foo 2025"] {
            assert_eq!(read(&reading, text), None, "{text}");
        }
    }

    #[test]
    fn a_doubled_hour_is_the_first_of_the_two() {
        let berlin = Reading::new(Some(Tz::Europe__Berlin), None);
        assert_eq!(read(&berlin, "2021-10-31 02:30:00").as_deref(), Some("2021-10-31T00:30:00Z"));
        assert_eq!(read(&berlin, "2021-03-28 02:30:00").as_deref(), Some("2021-03-28T01:30:00Z"));
        assert_eq!(berlin.decisions(), ["times without a zone are those of Europe/Berlin"]);
    }

    #[test]
    fn the_file_decides_the_order_of_dates() {
        let survey = || Reading::survey(None, None);
        let reading = survey();
        for text in ["02.03.2025 08:15", "31/10/2021"] {
            assert!(reading.moment(text).is_some(), "{text}");
        }
        let decided = reading.decided().unwrap();
        assert_eq!(read(&decided, "02.03.2025 08:15").as_deref(), Some("2025-03-02T08:15:00Z"));
        let reading = survey();
        reading.moment("02.03.2025").unwrap();
        assert!(reading.decided().unwrap_err().contains("--date-order"));
        let reading = survey();
        let _ = (reading.moment("31/10/2021"), reading.moment("10/31/2021"));
        assert!(reading.decided().is_err());
    }

    #[test]
    fn thousands_are_those_of_the_file() {
        let reading = Reading::survey(None, None);
        assert_eq!(
            (reading.whole("40,817"), reading.whole("1284"), reading.whole("0")),
            (Some(40_817), Some(1_284), Some(0))
        );
        for text in ["1,28", "1,2840", "-1", "1.5", "12e3", ",000"] {
            assert_eq!(reading.whole(text), None, "{text}");
        }
        assert!(reading.seen.borrow().separators == [',']);
        reading.whole("1.284").unwrap();
        assert!(reading.decided().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in "\\PC{0,40}") {
            let reading = Reading::survey(Some(Tz::Europe__Berlin), None);
            let _ = (reading.moment(&text), reading.whole(&text));
        }
    }
}
