//! What the redirect path holds in memory: links that were looked up, and clicks on their way to the database.

use std::time::Duration;

use serde::Deserialize;

use super::{concern::concern, form};

/// What `CLICK_DURABILITY` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClickDurability {
    /// Redirects are answered at once.
    Buffered,
    /// Redirects are answered when their click is stored.
    Committed,
}

concern! {
    /// How many links are kept at hand, and for how long.
    pub CacheConfig {
        /// Links kept in memory at most, unknown codes included.
        capacity: u64 = "CACHE_CAPACITY", "100000", form::whole(1..=100_000_000, "links");
        /// Seconds after which a link in memory is checked against the database again.
        ttl: Duration = "CACHE_TTL_SECONDS", "60", form::seconds(1..=86_400);
        /// Seconds that a link in memory is still served for while the database cannot be reached, counted from its last check; 0
        /// serves none.
        stale_if_error: Duration = "CACHE_STALE_IF_ERROR_SECONDS", "3600", form::seconds(0..=604_800);
    }
}

concern! {
    /// How clicks are gathered and written.
    pub ClicksConfig {
        /// Clicks written in one transaction at most.
        batch_size: usize = "CLICK_BATCH_SIZE", "10000", form::whole(1..=100_000, "clicks");
        /// Milliseconds that a click waits at most for others to fill its batch.
        flush: Duration = "CLICK_FLUSH_MS", "100", form::millis(1..=60_000);
        /// The same where more than 100 clicks came in CLICK_FLUSH_MS: larger batches cost the database less a click.
        flush_busy: Duration = "CLICK_FLUSH_BUSY_MS", "1000", form::millis(1..=60_000);
        /// MiB of memory for clicks that wait for the database; beyond it clicks are lost, and counted as lost.
        queue_bytes: u64 = "CLICK_QUEUE_MB", "32", form::mebibytes(1..=4_096);
        /// When a redirect is answered: buffered, at once, where kill -9 loses what was not written yet; or committed, when its click is
        /// in a committed batch.
        durability: ClickDurability = "CLICK_DURABILITY", "buffered", form::choice("buffered or committed");
        /// Milliseconds that a redirect waits at most for its click to be committed; it is answered all the same then, and counted as
        /// degraded.
        commit_wait: Duration = "CLICK_COMMIT_WAIT_MS", "500", form::millis(1..=10_000);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source::Source, *};

    #[test]
    fn the_defaults_are_sound() {
        let cache = CacheConfig::read(&mut Source::default()).expect("the defaults are sound");
        assert_eq!((cache.ttl, cache.stale_if_error), (Duration::from_secs(60), Duration::from_secs(3_600)));
        let clicks = ClicksConfig::read(&mut Source::default()).expect("the defaults are sound");
        assert_eq!((clicks.flush, clicks.queue_bytes), (Duration::from_millis(100), 32 * 1024 * 1024));
    }
}
