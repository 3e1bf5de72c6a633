//! One JSON object a line, as tracing-subscriber's own formatter writes them, at a fraction of its cost: that one takes a fifth of
//! the time that a redirect takes, see docs/capacity.md.
//!
//! Promises: valid JSON, whatever the fields hold. Leaves out: spans, which this program has none of.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    fmt::{self, Write as _},
};

use chrono::{DateTime, Timelike as _, Utc};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::domain::Clock;

/// The format.
#[derive(Default)]
pub(super) struct Json {
    clock: Clock,
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // Taken, not borrowed: a field whose text is worked out now may itself have something to log.
        let mut line = LINE.take();
        let written = write_line(&mut line, self.clock.now(), event).and_then(|()| out.write_str(&line));
        line.clear();
        LINE.set(line);
        written
    }
}

thread_local! {
    /// Where a line is put together: what it is handed to takes each piece through a pointer.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
    /// The last second that was written, and its text.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

fn write_line(line: &mut String, now: DateTime<Utc>, event: &Event<'_>) -> fmt::Result {
    let metadata = event.metadata();
    line.push_str("{\"timestamp\":\"");
    write_time(line, now)?;
    line.push_str("\",\"level\":\"");
    line.push_str(metadata.level().as_str());
    line.push('"');
    let mut fields = Fields { line, result: Ok(()) };
    event.record(&mut fields);
    fields.result?;
    line.push_str(",\"target\":\"");
    push_escaped(line, metadata.target());
    line.push_str("\"}\n");
    Ok(())
}

/// RFC 3339 with microseconds. Most lines of a second need but six new digits.
fn write_time(line: &mut String, now: DateTime<Utc>) -> fmt::Result {
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.timestamp() {
            *second = now.timestamp();
            text.clear();
            write!(text, "{}.", now.format("%Y-%m-%dT%H:%M:%S"))?;
        }
        line.push_str(text);
        Ok(())
    })?;
    push_digits::<6>(line, now.nanosecond() / 1_000);
    line.push('Z');
    Ok(())
}

/// The last `N` digits of a number, zeros before it.
fn push_digits<const N: usize>(line: &mut String, mut number: u32) {
    let mut digits = ['0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = char::from_digit(number % 10, 10).unwrap_or_default();
        number /= 10;
    }
    line.extend(digits);
}

/// As `Display` writes it; thousandths, which durations in milliseconds are, in a fraction of its time.
fn write_number(line: &mut String, value: f64) -> fmt::Result {
    let thousandths = (value * 1_000.0).round();
    let is_small = (0.0..1e12).contains(&thousandths);
    // The nearest number to these thousandths, so that they are the shortest text that stands for it.
    if is_small && value.is_sign_positive() && thousandths / 1_000.0 == value {
        // Below 10^12, see above.
        let thousandths = thousandths as u64;
        line.push_str(itoa::Buffer::new().format(thousandths / 1_000));
        let rest = (thousandths % 1_000) as u32;
        match rest {
            0 => {}
            _ if rest.is_multiple_of(100) => push_fraction::<1>(line, rest / 100),
            _ if rest.is_multiple_of(10) => push_fraction::<2>(line, rest / 10),
            _ => push_fraction::<3>(line, rest),
        }
        return Ok(());
    }
    // JSON has no word for what is no number.
    if value.is_finite() { write!(line, "{value}") } else { line.write_str("null") }
}

fn push_fraction<const N: usize>(line: &mut String, digits: u32) {
    line.push('.');
    push_digits::<N>(line, digits);
}

/// Writes fields, each after a comma.
struct Fields<'a> {
    line: &'a mut String,
    result: fmt::Result,
}

impl Fields<'_> {
    /// Writes a field's name as it stands in the code, which is no place for quotes; answers where its value is to follow.
    fn name(&mut self, field: &Field) -> &mut String {
        self.line.push_str(",\"");
        self.line.push_str(field.name());
        self.line.push_str("\":");
        self.line
    }

    fn text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let line = self.name(field);
        line.push('"');
        let written = Escaped(line).write_fmt(text);
        line.push('"');
        self.result = self.result.and(written);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        let written = write_number(self.name(field), value);
        self.result = self.result.and(written);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field).push_str(itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field).push_str(itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field).push_str(if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let line = self.name(field);
        line.push('"');
        push_escaped(line, value);
        line.push('"');
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// Writes text as the inside of a JSON string.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

/// Adds text as the inside of a JSON string.
fn push_escaped(line: &mut String, text: &str) {
    if is_plain(text) {
        line.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            control if control < ' ' => line.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => line.push(plain),
        }
    }
}

/// Whether a text can stand in a JSON string as it is: eight bytes at a time, which takes a fifth of the time.
fn is_plain(text: &str) -> bool {
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    chunks.iter().chain([&last]).fold(0, |special, chunk| special | special_bytes(u64::from_ne_bytes(*chunk))) == 0
}

/// Not 0 where one of eight bytes is a control character, a quote or a backslash.
fn special_bytes(bytes: u64) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST_BITS: u64 = EACH << 7;
    // Taking away more than a byte holds borrows its highest bit, unless that was set before.
    let below = |bytes: u64, bound: u8| bytes.wrapping_sub(EACH * u64::from(bound)) & !bytes;
    let equal = |byte: u8| below(bytes ^ (EACH * u64::from(byte)), 1);
    (below(bytes, b' ') | equal(b'"') | equal(b'\\')) & HIGHEST_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::telemetry::{Style, tests::written};

    fn line(body: impl FnOnce()) -> Value {
        serde_json::from_str(&written(Style::Json, body)).unwrap()
    }

    #[test]
    fn every_kind_of_field_is_json() {
        let error: Box<dyn Error> = "so\tit is".into();
        let line = line(|| {
            tracing::warn!(
                a = 1_u64,
                b = -1_i64,
                c = 0.5,
                d = f64::NAN,
                e = true,
                f = "x\"y\\z",
                g = ?Some("q\"r"),
                h = %"s\nt",
                i = error,
                j = None::<&str>,
                "m\u{1}"
            );
        });
        let (Value::Object(mut line), time) = (line.clone(), line["timestamp"].clone()) else {
            unreachable!("an object")
        };
        line.remove("timestamp");
        let expected = json!({
            "level": "WARN", "message": "m\u{1}", "a": 1, "b": -1, "c": 0.5, "d": null, "e": true, "f": "x\"y\\z",
            "g": "Some(\"q\\\"r\")", "h": "s\nt", "i": "so\tit is", "target": "buoy::telemetry::json::tests",
        });
        assert_eq!(Value::Object(line), expected);
        let time = DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
        assert!((Clock::system().now() - time.to_utc()).num_seconds().abs() < 60, "{time}");
    }

    #[test]
    fn the_time_has_six_digits_after_each_new_second() {
        for (second, nanoseconds, expected) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (0, 1_999, "1970-01-01T00:00:00.000001Z"),
            (1_764_115_200, 999_999_999, "2025-11-26T00:00:00.999999Z"),
        ] {
            let mut text = String::new();
            write_time(&mut text, DateTime::from_timestamp(second, nanoseconds).unwrap()).unwrap();
            assert_eq!(text, expected);
        }
    }

    fn number(value: f64) -> String {
        let mut text = String::new();
        write_number(&mut text, value).unwrap();
        text
    }

    #[test]
    fn numbers_are_written_as_ever() {
        for value in
            [0.0, -0.0, 0.001, 0.01, 0.1, 1.0, 1.5, 12.34, 0.083, 999_999_999.999, 1e9, 1e15, 1e300, 0.000_5, -2.5]
        {
            assert_eq!(number(value), format!("{value}"));
        }
        assert_eq!((number(f64::NAN), number(f64::INFINITY)), ("null".to_owned(), "null".to_owned()));
    }

    #[test]
    fn every_byte_is_plain_or_not_wherever_it_stands() {
        for byte in 0..=127_u8 {
            let is_special = byte < b' ' || byte == b'"' || byte == b'\\';
            for place in 0..20 {
                let text = format!("{}{}\u{e4}\u{10ffff}", "x".repeat(place), char::from(byte));
                assert_eq!(is_plain(&text), !is_special, "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn thousandths_are_written_as_ever(thousandths in 0_u64..2_000_000_000_000, any in any::<f64>()) {
            let value = thousandths as f64 / 1_000.0;
            prop_assert_eq!(number(value), format!("{value}"));
            if any.is_finite() {
                prop_assert_eq!(number(any), format!("{any}"));
            }
        }

        #[test]
        fn any_text_survives(text in any::<String>()) {
            let line = line(|| tracing::info!(text, "{text}"));
            prop_assert_eq!((&line["text"], &line["message"]), (&json!(text), &json!(text)));
        }
    }
}
