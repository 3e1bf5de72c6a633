//! One value of a row that is staged, whichever database it goes to.

use crate::domain::clock::Timestamp;

/// One value of a staged row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    /// A number, or none.
    Number(Option<i64>),
    /// Text, or none.
    Text(Option<&'a str>),
    /// Yes or no.
    Flag(bool),
    /// A moment, or none.
    Time(Option<Timestamp>),
}
