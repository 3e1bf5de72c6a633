//! Whose credentials are good: the administrator's token, and users' keys.
//!
//! Promises: a key that was revoked is refused on every replica within a second; a token or key is compared in
//! constant time, and printed nowhere. Leaves out: what a route needs, which `http` knows, and whose things a caller
//! sees, which the store and the handlers ask the [`crate::domain::Caller`].
//!
//! There are two modes. With an administrator's token, the API needs it or a key. Without one the API is open.

mod keyring;
mod site;

use std::{fmt, net::IpAddr};

use cookie::Key;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use self::keyring::KeyRing;
pub use self::site::{ForeignSite, SEC_FETCH_SITE, foreign_site};
use crate::{
    db::{Store, StoreError},
    domain::{Clock, HostNames, KeyHolder, Secret},
};

/// Characters from which on a token is too long to be found by trying.
const LONG: usize = 20;

/// Tells the session key from all else that is derived from the token, and makes the text long enough for HKDF.
const SESSIONS: &str = "buoy: key of the console's sessions, 1: ";

/// Who may use the API, and under which names it is reached.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// The administrator's token; without it the API is open.
    pub admin_token: Option<AdminToken>,
    /// Whether an open API may listen on an address that other machines reach.
    pub open_api: bool,
    /// The names of this service.
    pub allowed_hosts: HostNames,
}

impl AccessSettings {
    /// Why the API may not be served on this address; `None` if it may.
    pub fn refusal(&self, host: IpAddr) -> Option<String> {
        let refused = self.admin_token.is_none() && !host.is_loopback() && !self.open_api;
        refused.then(|| {
            format!(
                "the API would be open to every client that reaches {host}: give ADMIN_TOKEN (`openssl rand -hex 32` \
                 makes one), \
                 so that it needs credentials, or OPEN_API=true if an open API is meant"
            )
        })
    }
}

/// The administrator's token. Neither `Debug` nor anything else prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// A token of at least 8 visible ASCII characters without blanks.
    pub fn new(text: &str) -> Option<Self> {
        let sound = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(text.to_owned()))
    }

    /// Whether it is so short that it might be found by trying.
    pub fn is_short(&self) -> bool {
        self.0.len() < LONG
    }

    /// The key of the console's sessions, by HKDF.
    fn session_key(&self) -> Key {
        Key::derive_from(format!("{SESSIONS}{}", self.0).as_bytes())
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken").finish_non_exhaustive()
    }
}

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
    /// Credentials are needed. The key seals the sessions of the console.
    Guarded(TokenDigest, Box<Key>),
}

/// A token as it is compared: two digests have one length, and comparing them tells nothing by the time that it takes.
struct TokenDigest {
    digest: [u8; 32],
    is_short: bool,
}

impl TokenDigest {
    fn of(token: &AdminToken) -> Self {
        Self { digest: Sha256::digest(&token.0).into(), is_short: token.is_short() }
    }

    fn is(&self, token: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.digest.ct_eq(&digest).into()
    }
}

impl Access {
    /// The API needs credentials if there is an administrator's token; else it is open under its names.
    pub fn new(settings: &AccessSettings) -> Self {
        let mode = match &settings.admin_token {
            Some(token) => Mode::Guarded(TokenDigest::of(token), Box::new(token.session_key())),
            None => Mode::Open(settings.allowed_hosts.clone()),
        };
        Self { mode, keys: KeyRing::default() }
    }

    /// The names of an API that is open; none if credentials are needed.
    pub fn open_under(&self) -> Option<&HostNames> {
        match &self.mode {
            Mode::Open(hosts) => Some(hosts),
            Mode::Guarded(..) => None,
        }
    }

    /// The key of the console's sessions; none if the API is open. It changes with the administrator's token.
    pub fn session_key(&self) -> Option<&Key> {
        match &self.mode {
            Mode::Open(_) => None,
            Mode::Guarded(_, key) => Some(key),
        }
    }

    /// Whether the administrator's token might be found by trying, so that not everyone may try as often as they like.
    pub fn is_guessable(&self) -> bool {
        matches!(&self.mode, Mode::Guarded(admin, _) if admin.is_short)
    }

    /// Whether this is the administrator's token, which is known without the database.
    pub fn is_admin(&self, token: &str) -> bool {
        matches!(&self.mode, Mode::Guarded(admin, _) if admin.is(token))
    }

    /// Who holds this key; none if it is not good.
    ///
    /// # Errors
    /// If the database would have to be asked and fails.
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
        let admin_token = AdminToken::new("hush-hush-hush");
        let settings = AccessSettings { admin_token, open_api: false, allowed_hosts: HostNames::default() };
        let access = Access::new(&settings);
        assert!(access.open_under().is_none());
        let shown = format!("{settings:?} {access:?}");
        assert!(shown.contains("Guarded") && !shown.contains("hush"), "{shown}");
        assert!(access.is_admin("hush-hush-hush") && !access.is_admin("hush-hush-hus"));
    }
}
