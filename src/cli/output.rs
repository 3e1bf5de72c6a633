//! What commands print, in one place.
//!
//! Promises: a reader that closes the pipe, as `head` does, ends the command quietly. Standard output holds the
//! command's answer, standard error what is said about it.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Prints a line to standard output.
///
/// # Errors
/// If it cannot be written; [`io::ErrorKind::BrokenPipe`] if the reader is gone, which is no failure of the command.
pub fn line(text: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints bytes to standard output.
///
/// # Errors
/// As [`line()`].
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Prints a line to standard error. Nothing can be done if that has no reader.
pub fn note(text: impl fmt::Display) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Whether an error only says that the reader is gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(is_pipe)
}
