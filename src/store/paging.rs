//! What the tables share: a page's start as bounds, and a violated foreign key as the field that caused it.

use crate::{
    db::{StoreError, error::is_foreign_key_violation},
    domain::page::{MAX_COUNT, PageStart},
};

/// The bound of a count: one row beyond those that are told.
pub(super) const COUNTED: i64 = MAX_COUNT as i64 + 1;

/// A page's start as bounds that one statement takes: rows with a larger id, and how many of them to pass over.
pub(super) fn bounds(start: PageStart) -> (i64, i64) {
    match start {
        PageStart::After(cursor) => (cursor.id, 0),
        PageStart::Offset(rows) => (0, i64::try_from(rows).unwrap_or(i64::MAX)),
    }
}

/// Turns a foreign key violation into the field that caused it.
pub(super) fn missing(field: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| if is_foreign_key_violation(&error) { StoreError::Missing(field) } else { error.into() }
}
