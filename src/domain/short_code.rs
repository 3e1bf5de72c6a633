//! Short codes: what a visitor types after the slash.

use std::borrow::Borrow;

use rand::RngExt as _;

use super::text::{Invalid, checked_text};

/// Characters in a generated code: 62^6, about 57 billion codes.
const GENERATED_LENGTH: usize = 6;
const GENERATED_ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Codes that no link may have: the first segment of every route, and words that people expect at a site's root.
/// Sorted, so that a test finds a doubled word.
pub const RESERVED: &[&str] = &[
    "admin",
    "api",
    "assets",
    "console",
    "docs",
    "events",
    "favicon.ico",
    "health",
    "login",
    "me",
    "metrics",
    "openapi.json",
    "ready",
    "replicas",
    "robots.txt",
    "static",
    "stats",
    "urls",
    "users",
    ".well-known",
];

checked_text!(
    /// A link's code: 1 to 64 of `[0-9A-Za-z_-]`, case-sensitive, and no reserved word in any case of letters.
    ShortCode, check, pattern = "^[0-9A-Za-z_-]{1,64}$", example = "roadmap"
);

/// Found in a map by its text, which may be no code at all.
impl Borrow<str> for ShortCode {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl ShortCode {
    /// A random code of six characters of `[0-9A-Za-z]`, which may be taken already.
    pub fn generate() -> Self {
        let mut rng = rand::rng();
        loop {
            let code: String = (0..GENERATED_LENGTH)
                .map(|_| char::from(GENERATED_ALPHABET[rng.random_range(0..GENERATED_ALPHABET.len())]))
                .collect();
            // Some reserved words have six letters.
            if let Ok(code) = Self::parse(code) {
                return code;
            }
        }
    }
}

fn check(text: &str) -> Result<(), Invalid> {
    if !(1..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(Invalid("must be 1 to 64 characters of 0-9, A-Z, a-z, _ and -"));
    }
    if RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        Err(Invalid("is a reserved word"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reserved_words_are_refused_and_listed_once() {
        for (i, word) in RESERVED.iter().enumerate() {
            assert!(ShortCode::parse(*word).is_err(), "{word}");
            assert!(!RESERVED[..i].contains(word), "{word} stands twice");
        }
        assert!(ShortCode::parse("Users").is_err() && ShortCode::parse("users2").is_ok());
    }

    #[test]
    fn reserved_words_are_listed_in_the_documentation() {
        let page = include_str!("../../docs/api.md");
        let missing: Vec<_> = RESERVED.iter().filter(|word| !page.contains(&format!("`{word}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn generated_codes_are_six_alphanumerics() {
        for _ in 0..1_000 {
            let code = ShortCode::generate();
            assert_eq!(code.as_str().len(), 6);
            assert!(code.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
        }
    }

    proptest! {
        #[test]
        fn a_code_is_taken_exactly_when_its_characters_allow(text in "\\PC{0,70}") {
            let allowed = (1..=64).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
                && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
            prop_assert_eq!(ShortCode::parse(text).is_ok(), allowed);
        }
    }
}
