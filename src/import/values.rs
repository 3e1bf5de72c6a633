//! Values as they are written in files.

use chrono::{DateTime, Datelike as _, NaiveDateTime, SubsecRound as _, Timelike as _};

use crate::domain::{Invalid, clock::Timestamp};

const NO_TIME: Invalid = Invalid("must be a time such as 2025-06-09 11:24:49 (UTC) or 2025-06-09T11:24:49.5+02:00");

/// `True`, `true`, `1` and their opposites.
pub(super) fn flag(text: &str) -> Result<bool, Invalid> {
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Invalid("must be True or False"))
    }
}

/// A time as `YYYY-MM-DD HH:MM:SS`, with a fraction or without; without a zone it is UTC. Cut to microseconds. Half a
/// time, as in a file that is cut off, is none.
pub(super) fn time(text: &str) -> Result<Timestamp, Invalid> {
    const LENGTH: usize = "YYYY-MM-DD HH:MM:SS".len();
    let (moment, rest) = text.split_at_checked(LENGTH).ok_or(NO_TIME)?;
    let (date, clock) = (&moment.as_bytes()[..10], &moment.as_bytes()[11..]);
    let shaped =
        shape(date, b"dddd-dd-dd") && shape(clock, b"dd:dd:dd") && matches!(moment.as_bytes()[10], b' ' | b'T');
    if !shaped {
        return Err(NO_TIME);
    }
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let time = if zone.is_empty() {
        let separated = if moment.as_bytes()[10] == b'T' { "%Y-%m-%dT%H:%M:%S%.f" } else { "%Y-%m-%d %H:%M:%S%.f" };
        NaiveDateTime::parse_from_str(text, separated).map_err(|_| NO_TIME)?.and_utc()
    } else {
        DateTime::parse_from_rfc3339(text).map_err(|_| NO_TIME)?.to_utc()
    };
    // A leap second has no place in either database, nor do years that are not written with four digits.
    let leaps = time.nanosecond() >= 1_000_000_000;
    if leaps || !(1..=9999).contains(&time.year()) { Err(NO_TIME) } else { Ok(time.trunc_subsecs(6)) }
}

fn shape(text: &[u8], pattern: &[u8]) -> bool {
    text.len() == pattern.len()
        && text.iter().zip(pattern).all(|(c, p)| if *p == b'd' { c.is_ascii_digit() } else { c == p })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        for (text, expected) in [
            ("2025-06-09 11:24:49", "2025-06-09T11:24:49+00:00"),
            ("2025-06-09T11:24:49", "2025-06-09T11:24:49+00:00"),
            ("2025-06-09 11:24:49.123456", "2025-06-09T11:24:49.123456+00:00"),
            ("2025-06-09 11:24:49.1234567", "2025-06-09T11:24:49.123456+00:00"),
            ("2025-06-09T11:24:49Z", "2025-06-09T11:24:49+00:00"),
            ("2025-06-09 11:24:49+00:00", "2025-06-09T11:24:49+00:00"),
            ("2025-06-09T11:24:49.5+02:00", "2025-06-09T09:24:49.500+00:00"),
            ("0001-01-01 00:00:00", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31 23:59:59", "9999-12-31T23:59:59+00:00"),
        ] {
            assert_eq!(time(text).unwrap().to_rfc3339(), expected, "{text}");
        }
    }

    #[test]
    fn half_a_time_is_none() {
        let whole = "2025-06-09 11:24:49";
        for length in 0..whole.len() {
            assert!(time(&whole[..length]).is_err(), "{length}");
        }
        for text in [
            "2025-02-30 00:00:00",
            "2025-06-09 11:24:60",
            "2025-06-09 11:24:49.",
            "2025-06-09 11:24:49 ",
            "2025-06-09 11:24:49.5.5",
            "+2025-06-09 11:24:49",
            "0000-01-01 00:00:00",
            "0001-01-01T00:00:00+01:00",
            "2025/06/09 11:24:49",
            "1749468289",
            "2025-06-09 11:24:4é",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_have_few_spellings() {
        for text in ["True", "true", "TRUE", "1"] {
            assert_eq!(flag(text), Ok(true));
        }
        for text in ["False", "false", "FALSE", "0"] {
            assert_eq!(flag(text), Ok(false));
        }
        for text in ["", "yes", "2", "t", " true"] {
            assert!(flag(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_refused(text in "\\PC{0,40}") {
            let _ = time(&text);
        }

        #[test]
        fn a_time_written_out_is_read_again(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let moment = DateTime::from_timestamp_micros(micros).unwrap();
            prop_assert_eq!(time(&moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string()), Ok(moment));
            prop_assert_eq!(time(&moment.to_rfc3339()), Ok(moment));
        }
    }
}
