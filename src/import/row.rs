//! One row of a file: its fields by name, and its line.

use std::borrow::Cow;

use csv_async::ByteRecord;

use super::header::Header;
use crate::domain::Invalid;

/// Why a row cannot be used.
#[derive(Debug)]
pub(super) struct Bad {
    /// The field at fault; empty if it is the row as a whole.
    pub(super) field: &'static str,
    /// Why, worded to follow the field's name.
    pub(super) why: Cow<'static, str>,
}

/// One row of a file.
#[derive(Debug)]
pub(super) struct Row<'f> {
    pub(super) header: &'f Header,
    pub(super) record: &'f ByteRecord,
    pub(super) line: u64,
    /// Whether the file ends within this row's quotation marks.
    pub(super) is_cut_off: bool,
}

impl Bad {
    fn field(field: &'static str, Invalid(why): Invalid) -> Self {
        Self { field, why: why.into() }
    }

    fn row(why: impl Into<Cow<'static, str>>) -> Self {
        Self { field: "", why: why.into() }
    }
}

impl<'f> Row<'f> {
    /// The line of the file on which the row begins, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The length of its fields.
    pub(super) fn bytes(&self) -> usize {
        self.record.as_slice().len()
    }

    /// Checks that all of the row is there.
    pub(super) fn complete(&self) -> Result<(), Bad> {
        let (found, expected) = (self.record.len(), self.header.width);
        if found != expected {
            return Err(Bad::row(format!("has {found} fields where the header has {expected}")));
        }
        if self.is_cut_off { Err(Bad::row("is cut off: the file ends within quotation marks")) } else { Ok(()) }
    }

    /// A field that has a value.
    pub(super) fn required<T: 'f>(
        &self,
        column: &'static str,
        parse: impl Fn(&'f str) -> Result<T, Invalid>,
    ) -> Result<T, Bad> {
        parse(self.text(column)?.unwrap_or_default()).map_err(|why| Bad::field(column, why))
    }

    /// A field that may be empty, or whose column may be missing.
    pub(super) fn optional<T: 'f>(
        &self,
        column: &'static str,
        parse: impl Fn(&'f str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Bad> {
        let text = self.text(column)?.filter(|text| !text.is_empty());
        text.map(parse).transpose().map_err(|why| Bad::field(column, why))
    }

    fn text(&self, column: &'static str) -> Result<Option<&'f str>, Bad> {
        let bytes = self.header.place(column).and_then(|place| self.record.get(place));
        bytes.map(std::str::from_utf8).transpose().map_err(|_| Bad::field(column, Invalid("is not UTF-8")))
    }
}
