//! What the cache hears from other replicas, through the store's listener.

use std::sync::Arc;

use tokio::time::Instant;

use super::{LinkCache, Trust};
use crate::{db::Changes, fleet::Observer};

/// Keeps a cache in step with the other replicas, and tells them of this one.
pub struct CacheSync {
    cache: Arc<LinkCache>,
    name: String,
    totals: Box<dyn Fn() -> String + Send + Sync>,
}

impl CacheSync {
    /// Keeps `cache` in step; `name` and `totals` are what the others may know of this replica.
    pub fn new(cache: Arc<LinkCache>, name: String, totals: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { cache, name, totals: Box::new(totals) }
    }
}

impl Observer for CacheSync {
    fn changed(&self, changes: &Changes) {
        self.cache.forget(changes);
    }

    fn connected(&self) {
        // Trust first: what is read between the two is then dropped rather than kept unseen.
        let now = Instant::now();
        self.cache.set_trust(Trust::Connected { since: now, heard: now });
        self.cache.forget(&Changes::All);
    }

    fn heard(&self) {
        self.cache.heard_now();
    }

    fn cut_off(&self) {
        self.cache.set_trust(Trust::CutOff);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn totals(&self) -> String {
        (self.totals)()
    }
}
