//! The address of the database, whose password never shows.
//!
//! Only the scheme and the outline are checked here; whether the address leads anywhere is for the store to find out.

use std::fmt;

use url::Url;

use super::form::{Form, MASK};

/// The database that buoy is told to use. `Debug` and `Display` mask the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole address, password included: for opening connections only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is an SQLite database, which every command creates and migrates.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.0.starts_with("sqlite:")
    }

    /// What a database's address must look like.
    pub(super) fn form() -> Form<Self> {
        let expected = "an address as postgres://user:password@host:5432/name or sqlite:buoy.db";
        Form::new(expected, Self::parse).hiding(Self::to_string)
    }

    /// The same where a file will not do.
    pub(super) fn postgres_form() -> Form<Self> {
        let expected = "an address as postgres://user:password@host:5432/name";
        Form::new(expected, |text| Self::parse(text).filter(|url| !url.is_sqlite())).hiding(Self::to_string)
    }

    fn parse(text: &str) -> Option<Self> {
        let outline = match text.split_once(':')? {
            ("sqlite", path) => !path.trim_start_matches('/').is_empty(),
            ("postgres" | "postgresql", rest) => rest.starts_with("//") && Url::parse(text).is_ok(),
            _ => false,
        };
        outline.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// The name of a schema, so plain that it means the same wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(String);

impl SchemaName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn form() -> Form<Self> {
        Form::new("a name of small letters, digits and underscores, as buoy", |text| {
            let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            let first = text.starts_with(|first: char| !first.is_ascii_digit());
            // Names that begin with pg_ are PostgreSQL's own, and it cuts off what is longer.
            let own = !text.starts_with("pg_") && text != "information_schema" && text.len() <= 63;
            (letters && first && own).then(|| Self(text.to_owned()))
        })
    }
}

/// A secret as it may be shown: an address without its password, anything else not at all.
fn masked(text: &str) -> String {
    // Any word with a colon would be read as an address: only what is a database's is shown in part.
    let known = ["postgres:", "postgresql:", "sqlite:"].iter().any(|scheme| text.starts_with(scheme));
    let Some(mut url) = Url::parse(text).ok().filter(|_| known) else { return MASK.to_owned() };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    // PostgreSQL's addresses may carry the password as a parameter as well.
    if url.query_pairs().any(|(key, _)| key == "password") {
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let shown = pairs.iter().map(|(key, value)| (key, if key == "password" { MASK } else { value }));
        url.query_pairs_mut().clear().extend_pairs(shown);
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemes_of_both_databases_are_taken() {
        for good in [
            "sqlite:buoy.db",
            "sqlite:///var/lib/buoy.db",
            "sqlite::memory:",
            "postgres://localhost/buoy",
            "postgresql://u:p@[::1]:5432/buoy?sslmode=require",
            "postgres:///buoy?host=/run/postgresql",
        ] {
            assert!(DatabaseUrl::parse(good).is_some(), "{good}");
        }
        for bad in ["mysql://localhost/buoy", "buoy.db", "sqlite:", "sqlite://", "postgres:buoy", "postgres://h:port/x"]
        {
            assert!(DatabaseUrl::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_schema_has_a_plain_name() {
        let long = "x".repeat(64);
        for (name, good) in [
            ("buoy", true),
            ("_b2", true),
            ("user", true),
            ("2b", false),
            ("a\"b", false),
            ("pg_x", false),
            (long.as_str(), false),
        ] {
            assert_eq!(SchemaName::form().read(name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn only_the_password_is_masked() {
        assert_eq!(masked("postgres://u:s%3Ecret@db:5432/buoy"), "postgres://u:***@db:5432/buoy");
        assert_eq!(
            masked("postgres://db/buoy?password=hush&sslmode=require"),
            "postgres://db/buoy?password=***&sslmode=require"
        );
        assert_eq!(masked("postgres://u@db/buoy"), "postgres://u@db/buoy");
        assert_eq!(masked("sqlite:buoy.db"), "sqlite:buoy.db");
        assert_eq!(masked("a word"), "***");
        assert_eq!(masked("hush:hush"), "***");
    }

    #[test]
    fn debug_output_holds_no_password() {
        let url = DatabaseUrl::parse("postgres://u:hush@db/buoy");
        assert!(!format!("{url:?}").contains("hush"));
    }
}
