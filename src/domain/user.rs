//! Users: who owns links.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    UserId,
    clock::Timestamp,
    text::{Invalid, checked_text, is_hidden, one_line},
};

checked_text!(
    /// A user's unique name: 1 to 100 characters of any script, no control or format characters, no white space around.
    Username, check_username, min_length = 1, max_length = 100,
    pattern = r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?$", example = "tidyriver02"
);

checked_text!(
    /// A user's unique e-mail address: one `@`, something on both sides, no white space, at most 254 bytes (RFC 5321).
    EmailAddress, check_email, format = "email", max_length = 254, example = "tidyriver02@relay.cloud"
);

/// A user as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, ToSchema)]
pub struct User {
    /// Identifies the user.
    pub id: UserId,
    /// Unique name.
    pub username: Username,
    /// Unique e-mail address.
    pub email: EmailAddress,
    /// When the user was created, UTC.
    #[schema(value_type = String, format = DateTime, example = "2026-01-14T12:49:03Z")]
    pub created_at: Timestamp,
}

/// A user about to be created.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique name.
    pub username: Username,
    /// Unique e-mail address.
    pub email: EmailAddress,
}

/// What of a user is to change; `None` keeps the field.
#[derive(Debug, Clone, Default)]
pub struct UserChanges {
    /// A new unique name.
    pub username: Option<Username>,
    /// A new unique e-mail address.
    pub email: Option<EmailAddress>,
}

fn check_username(text: &str) -> Result<(), Invalid> {
    one_line(text, 100, "must have at most 100 characters")
}

fn check_email(text: &str) -> Result<(), Invalid> {
    const NO_ADDRESS: Invalid = Invalid("is not an e-mail address");
    let (local, domain) = text.split_once('@').ok_or(NO_ADDRESS)?;
    let blank = text.chars().any(|c| c.is_whitespace() || c.is_control() || is_hidden(c));
    let dots = domain.starts_with('.') || domain.ends_with('.') || domain.contains("..");
    if local.is_empty() || domain.is_empty() || domain.contains('@') || blank || dots {
        return Err(NO_ADDRESS);
    }
    if text.len() > 254 { Err(Invalid("must have at most 254 bytes")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_are_taken() {
        for name in ["ann", "نور", "🛟🛟", "o'neil", "Robert'); DROP TABLE users;--", &"é".repeat(100)] {
            assert_eq!(Username::parse(name).unwrap().as_str(), name);
        }
        assert!(Username::parse("नि\u{200d}म 👩\u{200d}🚀 می\u{200c}خواهم").is_ok());
        for hidden in ["\u{202e}", "\u{200b}", "\u{feff}", "\u{2066}", "\u{ad}", "\u{e0041}", "\u{3164}"] {
            assert!(Username::parse(format!("a{hidden}nn")).is_err(), "{}", hidden.escape_unicode());
            assert!(EmailAddress::parse(format!("a{hidden}nn@x.example")).is_err(), "{}", hidden.escape_unicode());
        }
        for name in ["", " ann", "ann\n", "a\0b", &"x".repeat(101), &"é".repeat(101)] {
            assert!(Username::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn addresses_have_one_at_and_no_blanks() {
        for address in ["a@b.example", "x+y@example.com", "日本@例え.jp"] {
            assert!(EmailAddress::parse(address).is_ok(), "{address}");
        }
        for address in
            ["", "a", "@b", "a@", "a@b@c", "a b@c.d", "a@b\n", "a@.b", "a@b..c", &format!("{}@b.c", "x".repeat(300))]
        {
            assert!(EmailAddress::parse(address).is_err(), "{address:?}");
        }
    }
}
