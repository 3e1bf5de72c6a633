//! Countries by address, from a MaxMind file held in memory.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use maxminddb::{MaxMindDbError, Reader, path};

/// Kinds of files that know countries, as their own metadata name them.
const KINDS: [&str; 3] = ["country", "city", "enterprise"];

/// Why countries cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum CountriesError {
    /// The file is not there, cannot be read, or is no MaxMind file.
    #[error("cannot read the MaxMind file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: MaxMindDbError,
    },
    /// The file tells something else about addresses.
    #[error("expected a MaxMind file of countries or cities at {}, got one of kind {kind:?}", path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        kind: String,
    },
}

/// A country by two letters, ISO 3166-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Country([u8; 2]);

impl Country {
    fn parse(code: &str) -> Option<Self> {
        let letters: [u8; 2] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Knows the countries of addresses.
pub(super) struct Countries(Reader<Vec<u8>>);

impl Countries {
    pub(super) fn open(path: &Path) -> Result<Self, CountriesError> {
        let reader =
            Reader::open_readfile(path).map_err(|cause| CountriesError::Unreadable { path: path.to_owned(), cause })?;
        let kind = &reader.metadata().database_type;
        if !KINDS.into_iter().any(|known| kind.to_ascii_lowercase().contains(known)) {
            return Err(CountriesError::OtherKind { path: path.to_owned(), kind: kind.clone() });
        }
        Ok(Self(reader))
    }

    /// The country of an address; none if the file does not know it.
    pub(super) fn of(&self, address: IpAddr) -> Option<Country> {
        let found = self.0.lookup(address).ok()?;
        Country::parse(found.decode_path::<&str>(&path!["country", "iso_code"]).ok()??)
    }
}

impl fmt::Debug for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Countries").field(&self.0.metadata().database_type).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/geoip").join(name)
    }

    #[test]
    fn addresses_of_both_kinds_are_found() {
        let countries = Countries::open(&fixture("countries.mmdb")).unwrap();
        for (address, expected) in [
            ("203.0.113.7", Some("DE")),
            ("198.51.100.200", Some("IN")),
            ("2001:db8:1::7", Some("NP")),
            ("192.0.2.1", None),
            ("2001:db8:2::7", None),
            ("127.0.0.1", None),
        ] {
            let country = countries.of(address.parse().unwrap());
            assert_eq!(country.as_ref().map(Country::as_str), expected, "{address}");
        }
    }

    #[test]
    fn records_that_are_not_as_they_should_be_are_unknown() {
        let countries = Countries::open(&fixture("countries.mmdb")).unwrap();
        // Without a code, with a code in lower case, with a number for a code.
        for address in ["198.51.101.1", "198.51.102.1", "198.51.103.1"] {
            assert_eq!(countries.of(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_something_else_is_named() {
        for name in ["missing.mmdb", "make.py"] {
            let error = Countries::open(&fixture(name)).unwrap_err();
            assert!(error.to_string().contains(name) && error.source().is_some(), "{error}");
        }
        let error = Countries::open(&fixture("networks.mmdb")).unwrap_err();
        assert!(matches!(&error, CountriesError::OtherKind { kind, .. } if kind == "Test-ASN"), "{error}");
    }
}
