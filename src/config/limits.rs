//! Limits: what one client may do.

use super::{concern::concern, form};
use crate::{domain::LimitMode, limits::LimitSettings};

concern! {
    LimitSettings {
        /// Which clients are limited: auto, all but the holder of ADMIN_TOKEN and, if the API is open, clients on
        /// loopback; on, all; off, none.
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
