//! Cached keys, so that not every request asks the database for its caller.
//!
//! What is known of a key is good for less than a second after it was asked for. That is what makes a revocation hold
//! on every replica within a second, whether or not this one hears of changes. Unknown keys are not remembered: the
//! limit on failed credentials bounds what they cost.

use std::{fmt, time::Duration};

use quick_cache::sync::Cache;
use subtle::ConstantTimeEq as _;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    db::{Store, StoreError},
    domain::{Clock, KeyHolder, Secret, clock::Timestamp},
    store::KnownKey,
};

/// How long what the database said of a key is believed, from before it was asked.
const GOOD_FOR: Duration = Duration::from_millis(800);
/// Cached keys at most; each takes about 300 bytes.
const CAPACITY: usize = 10_000;
/// How far apart the notes of a key's use are: it is no log of what its holder does, and costs one write an hour.
const USE_NOTED_EVERY: chrono::Duration = chrono::Duration::hours(1);

/// Keys that are looked up concurrently: unknown ones must not take every connection.
const LOOKUPS: usize = 2;

/// What is known of keys.
pub(super) struct KeyRing {
    known: Cache<String, (KnownKey, Instant)>,
    lookups: Semaphore,
}

impl Default for KeyRing {
    fn default() -> Self {
        Self { known: Cache::new(CAPACITY), lookups: Semaphore::new(LOOKUPS) }
    }
}

impl KeyRing {
    /// Who holds this key; none if there is no such key, or it is no longer good.
    ///
    /// # Errors
    /// If the database would have to be asked and fails.
    pub(super) async fn holder(
        &self,
        secret: &Secret,
        store: &Store,
        clock: &Clock,
    ) -> Result<Option<KeyHolder>, StoreError> {
        let at_hand = self.known.get(secret.prefix()).filter(|(_, asked)| asked.elapsed() < GOOD_FOR);
        if let Some((known, _)) = at_hand {
            return Ok(proved(&known, secret, clock.now()));
        }
        // The semaphore is never closed.
        let _permit = self.lookups.acquire().await.ok();
        let asked = Instant::now();
        let Some(known) = store.key(secret.prefix()).await? else {
            self.known.remove(secret.prefix());
            return Ok(None);
        };
        let now = clock.now();
        let holder = proved(&known, secret, now);
        if holder.is_some() && known.last_used_at.is_none_or(|used| now - used >= USE_NOTED_EVERY) {
            match store.key_used(known.id, now).await {
                // A key is as good for reading as before.
                Ok(()) | Err(StoreError::NoChanges(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.known.insert(secret.prefix().to_owned(), (known, asked));
        Ok(holder)
    }
}

fn is_same(known: &KnownKey, secret: &Secret) -> bool {
    known.digest.as_bytes().ct_eq(secret.digest().as_bytes()).into()
}

/// Who holds the key, if the secret is the key's own and the key is good now.
fn proved(known: &KnownKey, secret: &Secret, now: Timestamp) -> Option<KeyHolder> {
    let good = known.revoked_at.is_none() && known.expires_at.is_none_or(|end| now < end);
    (is_same(known, secret) && good).then_some(KeyHolder { id: known.id, user_id: known.user_id, scopes: known.scopes })
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}
