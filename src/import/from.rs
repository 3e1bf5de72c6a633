//! Exports of other services, read into one neutral row.
//!
//! A format (CSV, JSON, SQL, SQLite) turns a file into rows with named fields; an adapter, one file a service, turns
//! such a row into links and visits and says what has no place here. Everything is pure and streams: memory holds a
//! row, or of a dump the statements read ahead. Adding a service is one file with its adapter and a line of
//! [`SERVICES`].
//!
//! Leaves out: the database, and what is decided about conflicts.

mod bitly;
mod chhoto;
mod dub;
mod fields;
mod format;
mod generic;
mod golink;
mod kutt;
mod polr;
mod rebrandly;
mod row;
mod shlink;
mod shortio;
mod sink;
#[cfg(test)]
mod tests;
mod text;
mod tinycc;
mod tinyurl;
mod values;
mod yourls;

use std::{ops::ControlFlow, path::Path};

use encoding_rs::Encoding;

pub use self::{
    fields::{Fault, Fields},
    row::{Item, Link, Name, Password, Sum, Visit},
    values::{DateOrder, Reading},
};

/// Rows that are looked at to find whose export a file is; dumps begin with other tables.
const LOOKED_AT: u64 = 100_000;

/// A service that links are moved from.
#[derive(Debug)]
pub struct Service {
    /// What `--from` calls it.
    pub name: &'static str,
    /// Whether its codes are found in any case.
    pub folds: bool,
    /// Whether a row can be one of its export.
    knows: fn(&Fields) -> bool,
    /// What a row is: links, visits, or nothing of interest.
    read: fn(&Fields, &Reading) -> Result<Vec<Item>, Fault>,
    /// What of its export never comes along, a sentence for the report; empty if everything has a place.
    pub never: &'static str,
}

/// Every service, those told by rarer names first.
pub static SERVICES: [&Service; 14] = [
    &shlink::SERVICE,
    &yourls::SERVICE,
    &kutt::SERVICE,
    &bitly::SERVICE,
    &dub::SERVICE,
    &rebrandly::SERVICE,
    &shortio::SERVICE,
    &chhoto::SERVICE,
    &polr::SERVICE,
    &tinyurl::SERVICE,
    &sink::SERVICE,
    &golink::SERVICE,
    &tinycc::SERVICE,
    &generic::SERVICE,
];

/// How a file is read.
#[derive(Debug, Clone, Default)]
pub struct FileOptions {
    /// Its encoding; none takes UTF-8 or what a byte-order mark says.
    pub encoding: Option<&'static Encoding>,
    /// The zone of times without one; none takes UTC.
    pub timezone: Option<chrono_tz::Tz>,
    /// The order of days and months; none lets the file decide.
    pub date_order: Option<DateOrder>,
    /// Columns to be read under other names: from, to.
    pub renames: Vec<(String, String)>,
    /// The column that names owners.
    pub owner_column: Option<String>,
}

/// What a row became.
#[derive(Debug)]
pub struct Read {
    /// Which row of the file, counted from 1 without the header.
    pub nth: u64,
    /// Its links and visits, or why it cannot be used.
    pub items: Result<Vec<Item>, Fault>,
}

/// The service of this name.
pub fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name.eq_ignore_ascii_case(name)).copied()
}

/// The service whose export this file is, by its headers or keys; none if they are of no known kind.
///
/// # Errors
/// If the file cannot be read.
pub fn recognise(path: &Path, options: &FileOptions) -> Result<Option<&'static Service>, String> {
    let (mut found, mut looked_at) = (None, 0);
    each_row(path, options, &mut |fields| {
        looked_at += 1;
        found = SERVICES.iter().find(|service| (service.knows)(&fields)).copied();
        if found.is_some() || looked_at > LOOKED_AT { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// How the values of a file are to be read; a file of separated values is gone over for that.
///
/// # Errors
/// If the file cannot be read, or leaves open what its values mean.
pub fn reading(path: &Path, service: &Service, options: &FileOptions) -> Result<Reading, String> {
    let survey = Reading::survey(options.timezone, options.date_order);
    if format::format_of(path).map_err(|error| error.to_string())? == format::Format::Csv {
        each_row(path, options, &mut |fields| {
            // What is wrong with a row is said when it is read.
            let _ = (service.read)(&fields, &survey);
            ControlFlow::Continue(())
        })?;
    }
    survey.decided()
}

/// Reads a file row by row. Blocks; `sink` may end the reading.
///
/// # Errors
/// If the file cannot be read to its end: says where.
pub fn read(
    path: &Path,
    service: &Service,
    options: &FileOptions,
    reading: &Reading,
    sink: &mut dyn FnMut(Read) -> ControlFlow<()>,
) -> Result<(), String> {
    let owner_column = options.owner_column.as_deref().map(fields::plain);
    each_row(path, options, &mut |fields| {
        let items = match &fields.broken {
            Some(why) => Err(Fault::new("", why.clone())),
            None => (service.read)(&fields, reading),
        };
        let owned = |mut item: Item| {
            if let (Item::Link(link), Some(column)) = (&mut item, &owner_column) {
                link.owner = fields.owned(&[column]);
                // It does come along, as the owner.
                link.left.retain(|left| left != column);
            }
            item
        };
        let items = items.map(|items| items.into_iter().map(owned).collect());
        sink(Read { nth: fields.nth, items })
    })
}

fn each_row(path: &Path, options: &FileOptions, sink: &mut format::Sink<'_>) -> Result<(), String> {
    let format = format::format_of(path).map_err(|error| format!("cannot be read: {error}"))?;
    let renames: Vec<(String, String)> =
        options.renames.iter().map(|(from, to)| (fields::plain(from), fields::plain(to))).collect();
    format::rows(path, format, options.encoding, &mut |mut fields| {
        renames.iter().for_each(|(from, to)| fields.rename(from, to));
        sink(fields)
    })
}
