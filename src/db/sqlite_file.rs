//! The file of the embedded database: whether it is there, and why it cannot be opened, in words for the operator.

use std::path::Path;

use super::{DatabaseUrl, Result, StoreError, error::READ_ONLY, private_file};

/// SQLite's result codes: <https://www.sqlite.org/rescode.html>.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const CORRUPT: u32 = 11;
const CANTOPEN: u32 = 14;
const NOTADB: u32 = 26;

const UNWRITABLE: &str = "this user may not write it or its folder: grant that, or set DATABASE_URL to another file";

/// Refuses to create a database for a command that only makes sense with one that is there.
pub(super) fn check_existing(url: &DatabaseUrl) -> Result<()> {
    if url.file().is_none_or(|file| file.exists()) {
        return Ok(());
    }
    Err(StoreError::File(format!(
        "there is no database {}: run this command in the folder of the database, or name its file in DATABASE_URL; \
         `buoy serve`, `buoy migrate` and `buoy import` create one",
        url.place()
    )))
}

/// Names the file that cannot be opened, why, and what to do.
pub(super) fn explained(url: &DatabaseUrl, error: StoreError) -> StoreError {
    let file = match (&error, url.file()) {
        (StoreError::Unexpected(_) | StoreError::Migration(_) | StoreError::NoChanges(_), Some(file)) => file,
        _ => return error,
    };
    let folder_is_missing = file.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let reason = match code(&error) {
        Some(CANTOPEN) if folder_is_missing => {
            "its folder does not exist: create it, or set DATABASE_URL to another file"
        }
        Some(CANTOPEN) if file.is_dir() => "it is a folder: set DATABASE_URL to a file in it, as sqlite:/data/buoy.db",
        Some(CANTOPEN) => UNWRITABLE,
        None if matches!(error, StoreError::NoChanges(READ_ONLY)) => UNWRITABLE,
        Some(NOTADB) => "it is no SQLite database: set DATABASE_URL to another file",
        Some(CORRUPT) => "it is damaged: restore a backup",
        _ => &error.to_string(),
    };
    StoreError::File(format!("the database {} cannot be opened: {reason}", url.place()))
}

/// Creates the file if it is not there, for its owner alone: SQLite would let everyone read it. What SQLite keeps
/// beside it gets the same mode. A file that cannot be created is told when it is opened.
pub(super) fn create_private(file: &Path) {
    private_file::create(file).ok();
}

/// Whether a file is no database, or so damaged that it cannot be opened.
pub(super) fn is_unreadable(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(NOTADB | CORRUPT))
}

/// Whether another process has the database open.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

fn code(error: &StoreError) -> Option<u32> {
    let StoreError::Unexpected(error) = error else { return None };
    primary_code(error)
}

/// The primary result code, which the low byte holds.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}
