//! What became of the rows.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::Serialize;
use utoipa::ToSchema;

use super::Kind;
use crate::domain::ShortCode;

/// Bad rows and generated codes that are told; the others are counted.
const DESCRIBED: usize = 1_000;
/// Reasons that are told apart.
const REASONS: usize = 100;

/// What became of the rows of an import.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// For each file, in the order in which they were taken.
    pub files: Vec<FileReport>,
    /// The first thousand bad rows.
    pub bad_rows: Vec<BadRow>,
    /// The first thousand codes that were generated.
    pub generated: Vec<GeneratedCode>,
    reasons: BTreeMap<Reason, u64>,
}

/// The code of a link whose row had none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GeneratedCode {
    /// The line on which the row begins, counted from 1.
    #[schema(example = 2)]
    pub line: u64,
    /// The link's code.
    pub short_code: ShortCode,
}

/// Why rows were refused. Written `user_id names no user`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The field at fault; empty if it is the row as a whole.
    pub field: &'static str,
    /// Why, worded to follow the field's name.
    pub why: Cow<'static, str>,
}

/// What became of the rows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The file's name.
    pub name: String,
    /// What its rows are.
    pub kind: Kind,
    /// Rows of data in the file.
    pub rows: u64,
    /// How many were created.
    pub created: u64,
    /// How many were there already.
    pub found: u64,
    /// How many were refused.
    pub refused: u64,
}

/// A row that was refused. Written `urls.csv:17: original_url: must name a host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The file's name.
    pub file: String,
    /// The line on which the row begins, counted from 1.
    pub line: u64,
    /// The field at fault; empty if it is the row as a whole.
    pub field: &'static str,
    /// Why, worded to follow the field's name.
    pub why: Cow<'static, str>,
}

impl Report {
    /// Rows of data in all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// How many rows were created.
    pub fn created(&self) -> u64 {
        self.files.iter().map(|file| file.created).sum()
    }

    /// How many rows were refused.
    pub fn refused(&self) -> u64 {
        self.files.iter().map(|file| file.refused).sum()
    }

    /// The first hundred reasons, and how many rows were refused for each.
    pub fn reasons(&self) -> impl Iterator<Item = (&Reason, u64)> {
        self.reasons.iter().map(|(reason, rows)| (reason, *rows))
    }

    /// How many rows were there already.
    pub fn found(&self) -> u64 {
        self.files.iter().map(|file| file.found).sum()
    }

    pub(super) fn begin(&mut self, name: &str, kind: Kind) {
        self.files.push(FileReport { name: name.to_owned(), kind, rows: 0, created: 0, found: 0, refused: 0 });
    }

    pub(super) fn read(&mut self, rows: u64) {
        if let Some(file) = self.files.last_mut() {
            file.rows += rows;
        }
    }

    pub(super) fn settle(&mut self, created: u64, found: u64) {
        if let Some(file) = self.files.last_mut() {
            file.created += created;
            file.found += found;
        }
    }

    pub(super) fn generate(&mut self, line: u64, short_code: ShortCode) {
        if self.generated.len() < DESCRIBED {
            self.generated.push(GeneratedCode { line, short_code });
        }
    }

    pub(super) fn refuse(&mut self, line: u64, field: &'static str, why: Cow<'static, str>) {
        let Some(file) = self.files.last_mut() else { return };
        file.refused += 1;
        let reason = Reason { field, why: why.clone() };
        if self.reasons.len() < REASONS || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        }
        if self.bad_rows.len() < DESCRIBED {
            self.bad_rows.push(BadRow { file: file.name.clone(), line, field, why });
        }
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rows, created, found, refused, .. } = self;
        if *rows == 0 {
            return write!(f, "{name}: no row of data follows the header");
        }
        write!(f, "{name}: {rows} rows, {created} created, {found} found")?;
        if *refused > 0 { write!(f, ", {refused} refused") } else { Ok(()) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            "" => f.write_str(&self.why),
            field => write!(f, "{field} {}", self.why),
        }
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, field, why } = self;
        match *field {
            "" => write!(f, "{file}:{line}: {why}"),
            field => write!(f, "{file}:{line}: {field}: {why}"),
        }
    }
}
