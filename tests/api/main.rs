//! The contract over real HTTP: the real program on a real port, on both databases.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/sums.rs"]
mod sums;

mod app;
mod forwarder;
mod process;

mod bulk;
mod clicks;
mod clicks_cut;
mod contract;
mod events;
mod hard_input;
mod idempotency;
mod lists;
mod logs;
mod outages;
mod program;
mod races;
mod ranking;
mod raw;
mod redirects;
mod replicas;
mod retention;
mod shutdown;
mod stats;
mod streams;
mod urls;
mod users;
mod visitors;
mod world;
