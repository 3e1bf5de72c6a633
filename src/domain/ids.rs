//! Identifiers: positive integers up to 2^53 - 1, the largest that every JSON reader holds exactly.
//!
//! A row that comes with an id of its own may have the lower half. Ids that are generated after it then have the upper
//! half before them, and stay such that every client can name them.

use std::{fmt, str::FromStr};

use serde::Serialize;
use utoipa::ToSchema;

use super::text::Invalid;

/// The largest identifier: 2^53 - 1. The schema keeps no row with a larger one.
pub const MAX_ID: i64 = (1 << 53) - 1;
/// The largest identifier that a row may come with: 2^52.
pub const MAX_GIVEN_ID: i64 = 1 << 52;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, sqlx::Type, ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = i64, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
        pub struct $name(pub i64);

        impl $name {
            /// Checks that `value` lies between 1 and [`MAX_ID`].
            ///
            /// # Errors
            /// It does not.
            pub fn new(value: i64) -> Result<Self, Invalid> {
                if (1..=MAX_ID).contains(&value) { Ok(Self(value)) } else { Err(OUT_OF_RANGE) }
            }

            /// The id that a row comes with.
            ///
            /// # Errors
            /// It does not lie between 1 and [`MAX_GIVEN_ID`].
            pub fn given(text: &str) -> Result<Self, Invalid> {
                text.parse().ok().filter(|id: &Self| id.0 <= MAX_GIVEN_ID).ok_or(NOT_GIVEN)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                parse(text).and_then(Self::new)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Identifies a user.
    UserId
);
id!(
    /// Identifies a link.
    UrlId
);
id!(
    /// Identifies an event.
    EventId
);
id!(
    /// Identifies an API key.
    KeyId
);

const OUT_OF_RANGE: Invalid = Invalid("must be an integer from 1 to 9007199254740991");

const NOT_GIVEN: Invalid = Invalid("must be an integer from 1 to 4503599627370496");

fn parse(text: &str) -> Result<i64, Invalid> {
    // `str::parse` would take a leading `+`, which no client of the contract sends as an id.
    if text.starts_with('+') {
        return Err(OUT_OF_RANGE);
    }
    text.parse().map_err(|_| OUT_OF_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positive_and_exact_in_json() {
        assert_eq!("1".parse::<UrlId>().unwrap(), UrlId(1));
        assert_eq!("9007199254740991".parse::<UrlId>().unwrap(), UrlId(MAX_ID));
        assert_eq!(UrlId::given("4503599627370496").unwrap(), UrlId(MAX_GIVEN_ID));
        assert_eq!(UrlId::given("4503599627370497"), Err(NOT_GIVEN));
        for refused in ["0", "-1", "+1", "1.0", "abc", "", " 1", "9007199254740992", "99999999999999999999999"] {
            assert!(refused.parse::<UrlId>().is_err(), "{refused}");
        }
    }
}
