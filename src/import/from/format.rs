//! The formats of exports: each reads a file as a stream of rows with named fields.

mod csv_rows;
mod json_rows;
mod sql_rows;
mod sqlite_rows;

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    ops::ControlFlow,
    path::Path,
};

use encoding_rs::Encoding;

use super::{fields::Fields, text::Decoded};

/// What takes the rows; it may end the reading.
pub(super) type Sink<'s> = dyn FnMut(Fields) -> ControlFlow<()> + 's;
/// A file that is read as UTF-8.
type Text = Decoded<File>;

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Separated values, whatever separates them.
    Csv,
    /// One JSON text, or several.
    Json,
    /// A dump of tables as SQL statements.
    Sql,
    /// An SQLite database.
    Sqlite,
}

/// Bytes of the beginning that tell the format.
const HEAD: u64 = 64 << 10;

/// The format of a file, told by how it begins.
pub(super) fn format_of(path: &Path) -> io::Result<Format> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    if head.starts_with(b"SQLite format 3\0") {
        return Ok(Format::Sqlite);
    }
    let text = String::from_utf8_lossy(&head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with(['{', '[']) {
        return Ok(Format::Json);
    }
    let statements =
        ["--", "/*", "SET ", "PRAGMA ", "BEGIN", "DROP TABLE", "CREATE TABLE", "INSERT INTO", "LOCK TABLES"];
    let begins =
        |statement: &&str| text.get(..statement.len()).is_some_and(|start| start.eq_ignore_ascii_case(statement));
    Ok(if statements.iter().any(begins) { Format::Sql } else { Format::Csv })
}

/// Reads the rows of a file.
///
/// # Errors
/// Says what cannot be read, and where: the line, or the row.
pub(super) fn rows(
    path: &Path,
    format: Format,
    encoding: Option<&'static Encoding>,
    sink: &mut Sink<'_>,
) -> Result<(), String> {
    let open = || {
        let mut file = File::open(path)?;
        file.rewind()?;
        Ok(Decoded::new(file, encoding))
    };
    let text = |error: io::Error| format!("cannot be read: {error}");
    match format {
        Format::Csv => csv_rows::read(open().map_err(text)?, sink),
        Format::Json => json_rows::read(open().map_err(text)?, sink),
        Format::Sql => sql_rows::read(open().map_err(text)?, sink),
        Format::Sqlite => sqlite_rows::read(path, sink),
    }
}
