//! The text format of PostgreSQL's COPY (its manual, "COPY", "Text Format"): a line for each row, a tab between values,
//! `\N` for none, and a backslash before whatever would be read as one of these.

use std::fmt::Write as _;

use super::cell::Cell;

/// Rows in COPY's text format.
#[derive(Debug, Default)]
pub(super) struct CopyText {
    text: String,
    inside_row: bool,
}

impl CopyText {
    /// Adds a value to the row.
    pub(super) fn cell(&mut self, cell: Cell<'_>) {
        if self.inside_row {
            self.text.push('\t');
        }
        self.inside_row = true;
        match cell {
            Cell::Number(Some(number)) => self.put(format_args!("{number}")),
            Cell::Text(Some(text)) => self.escaped(text),
            Cell::Flag(flag) => self.text.push(if flag { 't' } else { 'f' }),
            Cell::Time(Some(time)) => self.put(format_args!("{}", time.format("%Y-%m-%d %H:%M:%S%.6f+00"))),
            Cell::Number(None) | Cell::Text(None) | Cell::Time(None) => self.text.push_str("\\N"),
        }
    }

    /// Ends the row.
    pub(super) fn end_row(&mut self) {
        self.text.push('\n');
        self.inside_row = false;
    }

    /// What to send.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn put(&mut self, value: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(value);
    }

    fn escaped(&mut self, text: &str) {
        for part in text.split_inclusive(['\\', '\t', '\n', '\r']) {
            let (plain, special) = match part.as_bytes().last() {
                Some(b'\\') => (&part[..part.len() - 1], "\\\\"),
                Some(b'\t') => (&part[..part.len() - 1], "\\t"),
                Some(b'\n') => (&part[..part.len() - 1], "\\n"),
                Some(b'\r') => (&part[..part.len() - 1], "\\r"),
                _ => (part, ""),
            };
            self.text.push_str(plain);
            self.text.push_str(special);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copy_would_read_otherwise_is_escaped() {
        let mut copy = CopyText::default();
        copy.cell(Cell::Number(Some(7)));
        copy.cell(Cell::Text(Some("a\tb\\c\r\nd \\N \\. ü")));
        copy.cell(Cell::Text(None));
        copy.cell(Cell::Text(Some("")));
        copy.cell(Cell::Flag(true));
        copy.cell(Cell::Time(chrono::DateTime::from_timestamp_micros(1_750_000_000_000_001)));
        copy.end_row();
        let line = "7\ta\\tb\\\\c\\r\\nd \\\\N \\\\. ü\t\\N\t\tt\t2025-06-15 15:06:40.000001+00\n";
        assert_eq!(String::from_utf8(copy.into_bytes()).unwrap(), line);
    }
}
