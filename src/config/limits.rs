//! Limits: what one client may do, how much work is taken in at once, and how slow a client may be.

use std::time::Duration;

use serde::Deserialize;

use super::{concern::concern, form, source::Source};

/// What `LIMITS` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhoIsLimited {
    /// Everybody but this machine and the holder of `ADMIN_TOKEN`.
    Auto,
    /// Everybody.
    On,
    /// Nobody.
    Off,
}

/// A budget's burst is at most so many times what it has a minute: rows of replicas that share it live the longer, the larger it is.
const MOST_MINUTES: u32 = 10;

concern! {
    /// What one client, that is one key or one address (of IPv6 the first 64 bits), may do in a minute, on all replicas together.
    pub LimitsConfig {
        /// Who is limited: auto, everybody but the holder of ADMIN_TOKEN and, where the API is open, clients on loopback; on,
        /// everybody; off, nobody.
        mode: WhoIsLimited = "LIMITS", "auto", form::choice::<WhoIsLimited>("auto, on or off");
        /// Users, links, events and keys that a client may create in a minute.
        creations: u32 = "LIMIT_CREATIONS", "60", form::whole(1..=1_000_000, "requests a minute");
        /// How many of them at once.
        creations_burst: u32 = "LIMIT_CREATIONS_BURST", "30", form::whole(1..=1_000_000, "requests");
        /// Files that a client may upload in a minute.
        bulk: u32 = "LIMIT_BULK", "10", form::whole(1..=1_000_000, "requests a minute");
        /// How many of them at once.
        bulk_burst: u32 = "LIMIT_BULK_BURST", "10", form::whole(1..=1_000_000, "requests");
        /// Requests with wrong credentials that an address may send in a minute, before it is refused unread.
        failed_credentials: u32 = "LIMIT_FAILED_CREDENTIALS", "10", form::whole(1..=1_000_000, "requests a minute");
        /// How many of them at once.
        failed_credentials_burst: u32 = "LIMIT_FAILED_CREDENTIALS_BURST", "10", form::whole(1..=1_000_000, "requests");
        /// Unknown short codes that an address may ask for in a minute; known ones are never limited.
        unknown_codes: u32 = "LIMIT_UNKNOWN_CODES", "60", form::whole(1..=1_000_000, "requests a minute");
        /// How many of them at once.
        unknown_codes_burst: u32 = "LIMIT_UNKNOWN_CODES_BURST", "30", form::whole(1..=1_000_000, "requests");
    }
}

impl LimitsConfig {
    /// Notes a fault for each burst that is too large for its budget.
    pub(super) fn check(&self, source: &mut Source) {
        for (name, burst, budget) in [
            ("LIMIT_CREATIONS_BURST", self.creations_burst, self.creations),
            ("LIMIT_BULK_BURST", self.bulk_burst, self.bulk),
            ("LIMIT_FAILED_CREDENTIALS_BURST", self.failed_credentials_burst, self.failed_credentials),
            ("LIMIT_UNKNOWN_CODES_BURST", self.unknown_codes_burst, self.unknown_codes),
        ] {
            let most = budget.saturating_mul(MOST_MINUTES);
            if burst > most {
                source.fault(name, format!("expected at most {most}, what the budget has in {MOST_MINUTES} minutes"));
            }
        }
    }
}

concern! {
    /// How much is taken in at once, and how slow a client may be.
    pub LoadConfig {
        /// Requests that need the database and may be at work at once; as many wait for a second, the rest is answered with 503.
        requests: usize = "MAX_CONCURRENT_REQUESTS", "512", form::whole(1..=1_000_000, "requests");
        /// Connections of clients that may be open at once; fewer where the system allows fewer open files.
        connections: usize = "MAX_CONNECTIONS", "10000", form::whole(1..=1_000_000, "connections");
        /// Seconds in which a request's head must be complete, from its first byte.
        head: Duration = "HEADER_TIMEOUT_SECONDS", "10", form::seconds(1..=75);
        /// Seconds that a request's body may keep buoy waiting; each KiB that arrives gives one second back.
        body: Duration = "BODY_TIMEOUT_SECONDS", "10", form::seconds(1..=3_600);
        /// Seconds that a client may leave its answer unread; each KiB that it takes gives one second back.
        answer: Duration = "ANSWER_TIMEOUT_SECONDS", "30", form::seconds(1..=3_600);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::concern::Concern as _, *};

    #[test]
    fn a_burst_is_no_more_than_ten_minutes() {
        for (burst, faults) in [("600", 0), ("601", 1), ("1", 0)] {
            let vars = [("LIMIT_CREATIONS", "60"), ("LIMIT_CREATIONS_BURST", burst)];
            let mut source = Source::new(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
            LimitsConfig::read(&mut source).expect("both are numbers").check(&mut source);
            assert_eq!(source.into_faults().len(), faults, "{burst}");
        }
    }
}
