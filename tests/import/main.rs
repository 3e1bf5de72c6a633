//! Import, export and backup on both databases: what section 5 of the contract says of data carried over.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test that is how it fails")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/sums.rs"]
mod sums;

mod backup;
mod contention;
mod events;
mod files;
mod gone_by;
mod links;
mod round_trip;
mod users;
mod world;
