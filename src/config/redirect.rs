//! What the redirect path holds in memory: cached links, and clicks on their way to the database.

use super::{concern::concern, form};
use crate::{
    cache::CacheSettings,
    clicks::{ClickSettings, Durability},
};

concern! {
    CacheSettings {
        /// Links cached at most, unknown codes included.
        capacity = "CACHE_CAPACITY", "100000", form::whole(1..=100_000_000, "links");
        /// Seconds that a cached link is still served for while the database cannot be reached, counted from its last
        /// check; 0 serves none.
        stale_if_error = "CACHE_STALE_IF_ERROR_SECONDS", "3600", form::seconds(0..=604_800);
    }
}

concern! {
    ClickSettings {
        /// Milliseconds that a click waits at most for others to fill its batch; ten times as long when there are many.
        flush_after = "CLICK_FLUSH_MS", "100", form::millis(1..=60_000);
        /// MiB of memory for clicks that wait for the database; beyond it clicks are lost, and counted as lost.
        queue_bytes = "CLICK_QUEUE_MB", "32", form::mebibytes(1..=4_096);
        /// When a redirect is answered: buffered, immediately, and kill -9 loses what was not written yet; or
        /// committed, when its click is in a committed batch. A redirect waits 500 ms at most, or as long as
        /// committed:MILLISECONDS says; then it is answered all the same, and counted as degraded.
        durability = "CLICK_DURABILITY", "buffered", form::parsed::<Durability>(
            "buffered, committed, or committed:400 with 1 to 10000 milliseconds",
        );
        /// Days after which click events are deleted; statistics and all other events stay. Left unset they are kept
        /// for ever.
        kept_days = "EVENT_RETENTION_DAYS", unset like "90", form::whole(1..=36_500, "days");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{concern::Concern as _, source::Source},
        *,
    };

    #[test]
    fn sizes_and_times_carry_their_units() {
        let cache = CacheSettings::read(&mut Source::default()).expect("the defaults are sound");
        assert_eq!(cache.stale_if_error, Duration::from_secs(3_600));
        let clicks = ClickSettings::read(&mut Source::default()).expect("the defaults are sound");
        assert_eq!((clicks.flush_after, clicks.queue_bytes), (Duration::from_millis(100), 32 * 1024 * 1024));
    }

    #[test]
    fn events_are_kept_unless_told_otherwise() {
        let days = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            ClickSettings::read(&mut Source::new(pairs)).map(|clicks| clicks.kept_days)
        };
        assert_eq!(days(&[]), Some(None));
        assert_eq!(days(&[("EVENT_RETENTION_DAYS", "90")]), Some(Some(90)));
        assert_eq!(days(&[("EVENT_RETENTION_DAYS", "0")]), None);
    }
}
