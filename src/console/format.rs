//! How numbers and times are written for people.

use askama::Template;
use chrono::TimeDelta;

use crate::domain::clock::Timestamp;

/// A number with a thin space between its thousands.
pub(super) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "−".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `one` if it is one thing, else `many`, after their number.
pub(super) fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A time as people say it, with the exact one beside it.
#[derive(Debug, Clone, Template)]
#[template(source = r#"<time datetime="{{ iso }}" title="{{ exact }}">{{ relative }}</time>"#, ext = "html")]
pub(super) struct When {
    iso: String,
    exact: String,
    relative: String,
}

impl askama::filters::HtmlSafe for When {}

impl When {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let exact = at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        Self { iso: at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), exact, relative: relative(at, now) }
    }
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let distance = (now - at).abs();
    let (count, unit) = match distance {
        it if it < TimeDelta::seconds(45) => return "just now".to_owned(),
        it if it < TimeDelta::minutes(60) => (it.num_minutes().max(1), "minute"),
        it if it < TimeDelta::hours(36) => (it.num_hours(), "hour"),
        it if it < TimeDelta::days(45) => (it.num_days(), "day"),
        _ => return at.format("%-d %b %Y").to_string(),
    };
    let plural = if count == 1 { "" } else { "s" };
    if at <= now { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let shown = [0, 7, 999, 1_000, 1_234_567, -1_000].map(number);
        assert_eq!(shown, ["0", "7", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567", "−1\u{202f}000"]);
    }

    #[test]
    fn times_are_told_from_here() {
        let now = chrono::DateTime::from_timestamp(1_750_000_000, 0).unwrap();
        let shown = [-10, -90, -7_200, -3 * 86_400, 7_300].map(|by| relative(now + TimeDelta::seconds(by), now));
        assert_eq!(shown, ["just now", "1 minute ago", "2 hours ago", "3 days ago", "in 2 hours"]);
    }
}
