//! The first line of a file: its kind, and the position of each column.

use csv_async::ByteRecord;

/// Columns at most, unknown ones included.
const MAX_COLUMNS: usize = 100;

/// What the rows of a file are, in the order in which files are taken: what is named before what names it, and codes
/// that may not be used before links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Users.
    Users,
    /// Codes once used, by links that are gone.
    Codes,
    /// Links.
    Urls,
    /// Sums of clicks whose events may be gone.
    Rollups,
    /// Events.
    Events,
}

/// The columns of a kind: those a file must have, and those it may have.
struct Columns {
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

/// The columns of a file that this program knows.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// What its rows are.
    pub(super) kind: Kind,
    /// Columns in each row, unknown ones included.
    pub(super) width: usize,
    places: Vec<(&'static str, usize)>,
}

impl Kind {
    /// The word for rows of this kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Codes => "codes once used",
            Self::Urls => "links",
            Self::Rollups => "rollups",
            Self::Events => "events",
        }
    }

    fn columns(self) -> Columns {
        let (required, optional): (&[_], &[_]) = match self {
            Self::Users => (&["username", "email"], &["id", "created_at"]),
            Self::Codes => (&["short_code", "retired_at"], &[]),
            Self::Urls => {
                const OPTIONAL: &[&str] =
                    &["id", "short_code", "title", "is_active", "created_at", "updated_at", "disabled_reason"];
                (&["user_id", "original_url"], OPTIONAL)
            }
            Self::Rollups => {
                (&["rollup", "subject", "at"], &["user_id", "dimension", "value", "people", "bots", "uniques"])
            }
            Self::Events => (&["url_id", "event_type"], &["id", "user_id", "timestamp", "details"]),
        };
        Columns { required, optional }
    }

    /// The kind that a column belongs to alone, the most telling first.
    fn told_by(names: &[String]) -> Option<Self> {
        const TELLING: [(&str, Kind); 9] = [
            ("rollup", Kind::Rollups),
            ("event_type", Kind::Events),
            ("original_url", Kind::Urls),
            ("retired_at", Kind::Codes),
            ("username", Kind::Users),
            ("email", Kind::Users),
            ("url_id", Kind::Events),
            ("user_id", Kind::Urls),
            ("short_code", Kind::Urls),
        ];
        TELLING.iter().find(|(name, _)| names.iter().any(|other| other == name)).map(|(_, kind)| *kind)
    }
}

impl Header {
    /// Reads the header.
    ///
    /// # Errors
    /// Says what is missing, as a sentence that follows the file's name.
    pub(super) fn parse(record: &ByteRecord) -> Result<Self, String> {
        if record.len() > MAX_COLUMNS {
            return Err(format!("its header has more than {MAX_COLUMNS} columns"));
        }
        if record.as_slice().contains(&0) {
            return Err("is in UTF-16: save it as UTF-8 (in Excel as CSV UTF-8)".to_owned());
        }
        let names: Vec<String> = record.iter().map(name).collect();
        let kind = Kind::told_by(&names).ok_or_else(|| unknown(&names))?;
        let Columns { required, optional } = kind.columns();
        let mut places = Vec::new();
        for column in required.iter().chain(optional) {
            let mut found = (0..names.len()).filter(|place| names[*place] == *column);
            match (found.next(), found.next()) {
                (Some(place), None) => places.push((*column, place)),
                (Some(_), Some(_)) => return Err(format!("its header names the column {column} twice")),
                (None, _) if required.contains(column) => {
                    return Err(format!("its header lacks the column {column}, which {} need", kind.name()));
                }
                (None, _) => {}
            }
        }
        Ok(Self { kind, width: names.len(), places })
    }

    /// The position of a column.
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.places.iter().find(|(name, _)| *name == column).map(|(_, place)| *place)
    }

    /// Whether the file has this column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.place(column).is_some()
    }
}

/// What is wrong with a header of no known kind.
fn unknown(names: &[String]) -> String {
    if names.first().is_some_and(|name| name.starts_with("sep=")) {
        return "begins with the line sep= of a spreadsheet: remove it, and separate columns by commas".to_owned();
    }
    let separators = [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];
    match separators.iter().find(|(sign, _)| names.iter().any(|name| name.contains(*sign))) {
        Some((_, word)) => format!("its columns are separated by {word}: separate them by commas"),
        None => "its header is of no known kind; expected username,email or user_id,original_url or url_id,event_type \
                 or short_code,retired_at, and perhaps more columns"
            .to_owned(),
    }
}

fn name(field: &[u8]) -> String {
    // A byte-order mark that arrived in pieces is still there.
    String::from_utf8_lossy(field).trim_start_matches('\u{feff}').trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Header, String> {
        Header::parse(&ByteRecord::from(line.split(',').collect::<Vec<_>>()))
    }

    #[test]
    fn the_header_tells_the_kind() {
        for (line, kind) in [
            ("username,email", Kind::Users),
            ("id,username,email,created_at", Kind::Users),
            ("original_url,user_id", Kind::Urls),
            ("id,url_id,user_id,event_type,timestamp,details", Kind::Events),
            ("short_code,retired_at", Kind::Codes),
            ("rollup,subject,user_id,at,dimension,value,people,bots,uniques", Kind::Rollups),
            ("\u{feff}EMAIL, Username ,shoe_size", Kind::Users),
        ] {
            assert_eq!(parse(line).unwrap().kind, kind, "{line}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, missing) in [
            ("id,username", "email"),
            ("original_url,short_code", "user_id"),
            ("url_id,details", "event_type"),
            ("a,b", "expected"),
            ("username,email,email", "twice"),
            (&format!("username,email{}", ",x".repeat(99)), "more than 100 columns"),
        ] {
            assert!(parse(line).unwrap_err().contains(missing), "{line}");
        }
    }
}
