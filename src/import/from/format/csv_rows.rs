//! Separated values: by commas, semicolons or tabs, with any line ends; a header is known by holding no address.

use std::{io::Read as _, sync::Arc};

use csv::{ReaderBuilder, StringRecord};
use serde_json::Value;

use super::{Sink, Text};
use crate::import::from::fields::{Fields, plain};

/// Columns at most.
const MAX_COLUMNS: usize = 200;
/// Bytes of the beginning in which the separator is looked for.
const HEAD: usize = 64 << 10;

/// Reads rows.
pub(super) fn read(mut text: Text, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut head = Vec::new();
    let head_read = text.by_ref().take(HEAD as u64).read_to_end(&mut head);
    head_read.map_err(|error| format!("cannot be read: {error}"))?;
    text.row_done();
    let delimiter = delimiter(&head);
    let content = std::io::Cursor::new(head).chain(text);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(content);
    let mut record = StringRecord::new();
    let (mut names, mut nth): (Option<Vec<Arc<str>>>, u64) = (None, 0);
    loop {
        if !reader.read_record(&mut record).map_err(|error| unreadable(&error, nth + 1))? {
            return Ok(());
        }
        reader.get_mut().get_mut().1.row_done();
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let Some(header) = &names else {
            let (header, is_header) = header(&record)?;
            names = Some(header);
            if is_header {
                continue;
            }
            nth += 1;
            if sink(row(nth, names.as_deref().unwrap_or_default(), &record)).is_break() {
                return Ok(());
            }
            continue;
        };
        if record.iter().map(plain).eq(header.iter().map(|name| name.to_string())) {
            // The header once more.
            continue;
        }
        nth += 1;
        if sink(row(nth, header, &record)).is_break() {
            return Ok(());
        }
    }
}

fn row(nth: u64, header: &[Arc<str>], record: &StringRecord) -> Fields {
    let (found, expected) = (record.len(), header.len());
    let pairs = header.iter().zip(record).map(|(name, field)| (Arc::clone(name), Value::from(field))).collect();
    let mut fields = Fields::new(nth, Arc::default(), pairs);
    if found > expected {
        fields.broken = Some(format!("has {found} fields where the header has {expected}"));
    }
    fields
}

/// The character that separates the fields of the first line: the one most often outside of quotation marks.
fn delimiter(head: &[u8]) -> u8 {
    let (mut counts, mut quoted) = ([(b',', 0), (b';', 0), (b'\t', 0)], false);
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && counts.iter().any(|(_, count)| *count > 0) => break,
            byte if !quoted => counts.iter_mut().filter(|(c, _)| c == byte).for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(c, _)| c)
}

/// The names of the columns, and whether the first record holds them. Without a header, columns are named by what two
/// columns (a code and an address, in any order) or three (tiny.cc's, or golink's counts) hold.
fn header(first: &StringRecord) -> Result<(Vec<Arc<str>>, bool), String> {
    if first.len() > MAX_COLUMNS {
        return Err(format!("has more than {MAX_COLUMNS} columns"));
    }
    let is_address = |field: &str| field.contains("://");
    let is_number = |place| first.get(place).is_some_and(|field| field.parse::<u64>().is_ok());
    if first.len() == 3 && is_number(1) && is_number(2) {
        return Ok((["golinkname", "golinktime", "golinkclicks"].map(Arc::from).to_vec(), false));
    }
    if !first.iter().any(is_address) {
        return Ok((first.iter().map(|name| plain(name).into()).collect(), true));
    }
    let names: &[&str] = match (first.len(), first.get(0).is_some_and(is_address)) {
        (2, true) if !first.get(1).is_some_and(is_address) => &["longurl", "shortcode"],
        (2, false) => &["shortcode", "longurl"],
        // Two addresses: the shorter one is the short one.
        (2, true) if first.get(0).map(str::len) < first.get(1).map(str::len) => &["shortcode", "longurl"],
        (2, true) => &["longurl", "shortcode"],
        (3, true) => &["tinyccurl", "tinycccode", "tinyccnote"],
        _ => return Err("has no header: its first line holds an address".to_owned()),
    };
    Ok((names.iter().map(|name| (*name).into()).collect(), false))
}

fn unreadable(error: &csv::Error, row: u64) -> String {
    match error.kind() {
        csv::ErrorKind::Io(cause) => format!("cannot be read at row {row}: {cause}"),
        _ => format!("cannot be read at row {row}: {error}"),
    }
}
