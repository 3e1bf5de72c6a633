//! Limits: what one client may do, how much work is taken in at once, and how slow a client may be.

use std::time::Duration;

use super::{concern::concern, form};
use crate::{domain::LimitMode, limits::LimitSettings};

concern! {
    LimitSettings {
        /// Which clients are limited: auto, all but the holder of ADMIN_TOKEN and, if the API is open, clients on loopback; on, all;
        /// off, none.
        mode = "LIMITS", "auto", form::choice::<LimitMode>("auto, on or off");
        /// Users, links, events and keys that a client may create: a user with all their keys, else an address.
        creations = "LIMIT_CREATIONS", "60/min+30", form::rate_limit();
        /// Files that a client may upload.
        bulk = "LIMIT_BULK", "10/min+10", form::rate_limit();
        /// Requests with wrong credentials that an address may send.
        failed_credentials = "LIMIT_FAILED_CREDENTIALS", "10/min+10", form::rate_limit();
        /// Unknown short codes that an address may ask for; known ones are never limited.
        unknown_codes = "LIMIT_UNKNOWN_CODES", "60/min+30", form::rate_limit();
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
