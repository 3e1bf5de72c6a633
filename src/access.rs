//! Whose credentials are good: the administrator's token, and users' keys.
//!
//! Promises: a key that was revoked is refused on every replica within a second; a token or key is compared in constant time, and
//! printed nowhere. Leaves out: what a route needs, which `http` knows, and whose things a caller sees, which the store and the
//! handlers ask the [`crate::domain::Caller`].
//!
//! There are two modes. With an administrator's token, the API needs it or a key. Without one the API is open.

mod keyring;

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use self::keyring::KeyRing;
use crate::{
    db::{Store, StoreError},
    domain::{Clock, HostNames, KeyHolder, Secret},
};

/// Who is let in, and what is known of keys.
#[derive(Debug)]
pub struct Access {
    mode: Mode,
    keys: KeyRing,
}

/// Whether credentials are in force.
enum Mode {
    /// Anyone may do everything, under these names.
    Open(HostNames),
    /// Credentials are needed.
    Guarded(TokenDigest),
}

/// Characters from which on a token is too long to be found by trying.
const LONG: usize = 20;

/// A token as it is compared: two digests have one length, and comparing them tells nothing by the time that it takes.
struct TokenDigest {
    digest: [u8; 32],
    is_short: bool,
}

impl TokenDigest {
    fn of(token: &str) -> Self {
        Self { digest: Sha256::digest(token).into(), is_short: token.len() < LONG }
    }

    fn is(&self, token: &str) -> bool {
        self.digest.ct_eq(&Self::of(token).digest).into()
    }
}

impl Access {
    /// An API that is open to whoever reaches it under one of these names.
    pub fn open(hosts: HostNames) -> Self {
        Self { mode: Mode::Open(hosts), keys: KeyRing::default() }
    }

    /// An API whose administrator has this token.
    pub fn guarded(admin_token: &str) -> Self {
        Self { mode: Mode::Guarded(TokenDigest::of(admin_token)), keys: KeyRing::default() }
    }

    /// The names of an API that is open; none where credentials are needed.
    pub fn open_under(&self) -> Option<&HostNames> {
        match &self.mode {
            Mode::Open(hosts) => Some(hosts),
            Mode::Guarded(_) => None,
        }
    }

    /// Whether the administrator's token might be found by trying, so that not everyone may try as often as they like.
    pub fn is_guessable(&self) -> bool {
        matches!(&self.mode, Mode::Guarded(admin) if admin.is_short)
    }

    /// Whether this very key was good here before, so that it is no guess. Whether it still is, is another question.
    pub fn knows(&self, secret: &Secret) -> bool {
        self.keys.knows(secret)
    }

    /// Whether this is the administrator's token, which is known without the database.
    pub fn is_admin(&self, token: &str) -> bool {
        matches!(&self.mode, Mode::Guarded(admin) if admin.is(token))
    }

    /// Who holds this key; none where it is not good.
    ///
    /// # Errors
    /// Where the database would have to be asked and fails.
    pub async fn holder(&self, secret: &Secret, store: &Store, clock: &Clock) -> Result<Option<KeyHolder>, StoreError> {
        self.keys.holder(secret, store, clock).await
    }
}

/// The mode alone: digests do not belong in a log either.
impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Open(_)) { "Open" } else { "Guarded" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_token() {
        let access = Access::guarded("hush-hush-hush");
        assert!(access.open_under().is_none());
        let shown = format!("{access:?}");
        assert!(shown.contains("Guarded") && !shown.contains("hush"), "{shown}");
        assert!(TokenDigest::of("hush-hush-hush").is("hush-hush-hush") && !TokenDigest::of("hush").is("hus"));
    }
}
