//! API keys: who a program acts for, and what it may do.
//!
//! A key is `buoy_`, eight characters that find it, thirty-two that prove it, and six of checksum, all of
//! `[0-9A-Za-z]`. The fixed beginning and the checksum let scanners of leaked secrets tell a key from noise. The
//! thirty-two hold 190 random bits, so that a plain SHA-256 is all the hash it needs: no attacker finds such a secret
//! by trying.

use std::fmt;

use rand::RngExt as _;
use serde::{Serialize, Serializer};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ArrayBuilder, ObjectBuilder, Schema, Type},
    },
};

use super::{
    KeyId, UserId,
    clock::Timestamp,
    text::{Invalid, checked_text, one_line},
};

/// What every key begins with.
const MARK: &str = "buoy_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of the mark and of what finds a key; of these and the secret; of all with the checksum.
const FOUND_BY: usize = 5 + 8;
const SUMMED: usize = FOUND_BY + 32;
const WHOLE: usize = SUMMED + 6;

/// Keys of a user that are good at most.
pub const MAX_LIVE: i64 = 100;
/// Keys that a user's keys make in an hour at most.
pub const MAX_AN_HOUR: i64 = 10;

checked_text!(
    /// What a key is called by people: 1 to 100 characters, no control characters, no white space around it.
    KeyName, check_name, min_length = 1, max_length = 100, example = "deploy script"
);

/// One thing that a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Reading links, events, the user and the keys' list.
    LinksRead,
    /// Creating, changing and deleting links, posting events, making and revoking keys.
    LinksWrite,
    /// Reading statistics.
    StatsRead,
    /// Everything that the administrator may, of all users.
    Admin,
}

impl Scope {
    /// Every scope, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::LinksRead, Self::LinksWrite, Self::StatsRead, Self::Admin];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinksRead => "links:read",
            Self::LinksWrite => "links:write",
            Self::StatsRead => "stats:read",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a key allows: at least one scope. Its text is their names, separated by blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// The administrator's.
    pub const ADMIN: Self = Self(1 << Scope::Admin as u8);

    /// Takes names, in any order and number.
    ///
    /// # Errors
    /// If there is none, or one that is no scope.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        const UNKNOWN: Invalid =
            Invalid("must be a list of at least one of links:read, links:write, stats:read and admin");
        let mut bits = 0;
        for name in names {
            bits |= Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or(UNKNOWN)?.bit();
        }
        if bits == 0 { Err(UNKNOWN) } else { Ok(Self(bits)) }
    }

    /// Whether they allow what `scope` stands for; `admin` allows all.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// Whether they allow all that `others` do.
    pub fn cover(self, others: Self) -> bool {
        others.iter().all(|scope| self.allow(scope))
    }

    fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

impl PartialSchema for Scopes {
    fn schema() -> RefOr<Schema> {
        let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Scope::ALL.map(Scope::name)));
        let scopes =
            ArrayBuilder::new().items(scope).min_items(Some(1)).examples([json!(["links:read", "links:write"])]);
        scopes.description(Some("What a key allows.")).into()
    }
}

impl ToSchema for Scopes {}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Scope::name).collect::<Vec<_>>().join(" "))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::name))
    }
}

/// What the database holds.
impl TryFrom<String> for Scopes {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::of(text.split(' '))
    }
}

/// A whole key. Nothing prints it but [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new key.
    pub fn generate() -> Self {
        let mut rng = rand::rng();
        let signs = (MARK.len()..SUMMED).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
        let mut text: String = MARK.chars().chain(signs).collect();
        text.push_str(&checksum(&text));
        Self(text)
    }

    /// Takes what may be a key: its mark, length, characters and checksum are right. Whether there is such a key is
    /// not known yet.
    pub fn parse(text: &str) -> Option<Self> {
        let shaped = text.len() == WHOLE && text.starts_with(MARK);
        let (summed, sum) = shaped.then(|| text.split_at_checked(SUMMED))??;
        let plain = summed[MARK.len()..].bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain && checksum(summed) == sum).then(|| Self(text.to_owned()))
    }

    /// What finds the key: its mark and the eight characters after it, which prove nothing.
    pub fn prefix(&self) -> &str {
        &self.0[..FOUND_BY]
    }

    /// What is kept of the key: its SHA-256, in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }

    /// The key itself: for its answer alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

/// The CRC-32 of a text in six digits of base 62.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut signs = [b'0'; WHOLE - SUMMED];
    for sign in signs.iter_mut().rev() {
        *sign = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    String::from_utf8_lossy(&signs).into_owned()
}

/// A key as it is kept: all but the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, utoipa::ToSchema)]
pub struct ApiKey {
    /// Identifies the key.
    pub id: KeyId,
    /// Whom it acts for.
    pub user_id: UserId,
    /// What people call it.
    pub name: KeyName,
    /// What the key begins with, so that its owner can tell it from others.
    #[schema(example = "buoy_4fQx81Zk")]
    pub prefix: String,
    /// What it allows.
    #[sqlx(try_from = "String")]
    pub scopes: Scopes,
    /// When it was made, UTC.
    #[schema(value_type = String, format = DateTime, example = "2026-01-14T12:49:03Z")]
    pub created_at: Timestamp,
    /// From when on it is refused, UTC; null if it does not expire.
    #[schema(required = true, value_type = Option<String>, format = DateTime, example = "2027-01-14T12:49:03Z")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, UTC; null if it was not.
    #[schema(required = true, value_type = Option<String>, format = DateTime, example = json!(null))]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the hour, UTC; null if it never was.
    #[schema(required = true, value_type = Option<String>, format = DateTime, example = "2026-02-01T08:00:00Z")]
    pub last_used_at: Option<Timestamp>,
}

/// A key about to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Whom it is to act for.
    pub user_id: UserId,
    /// What people call it.
    pub name: KeyName,
    /// What it allows.
    pub scopes: Scopes,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

fn check_name(text: &str) -> Result<(), Invalid> {
    one_line(text, 100, "must have at most 100 characters")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_recognised_and_any_slip_shows() {
        let secret = Secret::generate();
        let text = secret.expose();
        assert_eq!((text.len(), &text[..5]), (51, "buoy_"));
        assert_eq!(Secret::parse(text).as_ref(), Some(&secret));
        for at in 0..text.len() {
            let mut slip = text.as_bytes().to_vec();
            slip[at] = if slip[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(Secret::parse(std::str::from_utf8(&slip).unwrap()), None, "at {at}");
        }
        assert!(!format!("{secret:?}").contains(&text[13..]));
    }

    #[test]
    fn two_keys_differ() {
        let (one, other) = (Secret::generate(), Secret::generate());
        assert_ne!(one.prefix(), other.prefix());
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn scopes_cover_what_is_no_more_than_themselves() {
        let read = Scopes::of(["links:read"]).unwrap();
        let both = Scopes::of(["links:write", "links:read", "links:read"]).unwrap();
        let admin = Scopes::of(["admin"]).unwrap();
        assert_eq!(both.to_string(), "links:read links:write");
        assert_eq!(Scopes::try_from(both.to_string()), Ok(both));
        assert!(both.cover(read) && !read.cover(both) && admin.cover(both) && !both.cover(admin));
        assert!(admin.allow(Scope::StatsRead) && !both.allow(Scope::StatsRead));
        assert!(Scopes::of([]).is_err() && Scopes::of(["links:read", "links:all"]).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}", tail in "[0-9A-Za-z]{46}") {
            prop_assert_eq!(Secret::parse(&text), None);
            let shaped = format!("buoy_{tail}");
            let expected = checksum(&shaped[..SUMMED]) == shaped[SUMMED..];
            prop_assert_eq!(Secret::parse(&shaped).is_some(), expected);
        }
    }
}
