//! The start or end of a range, as a client writes it: a day, a moment in the zone asked for, or a moment anywhere.

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime};

use crate::domain::{clock::Timestamp, text::Invalid};

const NO_EDGE: Invalid = Invalid("must be a day such as 2026-03-29, or a time such as 2026-03-29T12:00:00Z");

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// A day in the zone: from its first moment on, or up to its last.
    Day(NaiveDate),
    /// A moment by the clocks of the zone.
    Local(NaiveDateTime),
    /// A moment.
    Moment(Timestamp),
}

impl FromStr for Edge {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const DAY: usize = "YYYY-MM-DD".len();
        let digits = text.bytes().take(4).filter(u8::is_ascii_digit).count();
        if digits < 4 || text.len() < DAY || text.len() > 40 {
            return Err(NO_EDGE);
        }
        let edge = if text.len() == DAY {
            Self::Day(NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| NO_EDGE)?)
        } else if let Ok(local) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f") {
            Self::Local(local)
        } else {
            // A plus sign that was not encoded arrives as a space.
            let moment = DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map_err(|_| NO_EDGE)?;
            Self::Moment(moment.to_utc())
        };
        // One year within what is written with four digits, so that no sum of days leads out of them.
        let year = match edge {
            Self::Day(day) => day.year(),
            Self::Local(local) => local.year(),
            Self::Moment(moment) => moment.year(),
        };
        if (2..=9998).contains(&year) { Ok(edge) } else { Err(Invalid("must be in the years 2 to 9998")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_told_apart() {
        let moment = |text: &str| match text.parse() {
            Ok(Edge::Moment(moment)) => moment.to_rfc3339(),
            other => format!("{other:?}"),
        };
        assert_eq!(moment("2026-03-29T12:00:00Z"), "2026-03-29T12:00:00+00:00");
        assert_eq!(moment("2026-03-29T12:00:00+05:45"), "2026-03-29T06:15:00+00:00");
        assert_eq!(moment("2026-03-29T12:00:00 05:45"), "2026-03-29T06:15:00+00:00");
        assert!(matches!("2026-03-29".parse(), Ok(Edge::Day(_))));
        assert!(matches!("2026-03-29T12:00:00.5".parse(), Ok(Edge::Local(_))));
        for refused in
            ["", "yesterday", "2026-02-30", "2026-3-1", "20260329", "1774785600", "+2026-03-29", "0000-01-01"]
        {
            assert!(refused.parse::<Edge>().is_err(), "{refused}");
        }
    }
}
