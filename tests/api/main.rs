//! The contract over real HTTP: the real program on a real port, on both databases.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod app;
mod forwarder;
mod process;

mod bulk;
mod clicks;
mod clicks_cut;
mod commands;
mod console;
mod contract;
mod disabled;
mod documentation;
mod edge;
mod events;
mod events_stream;
mod hard_input;
mod idempotency;
mod ids;
mod keys;
mod limits;
mod limits_fleet;
mod limits_lists;
mod limits_tokens;
mod lists;
mod logs;
mod newcomer;
mod no_changes;
mod observability;
mod outages;
mod platform;
mod program;
mod races;
mod ranking;
mod raw;
mod redirects;
mod replicas;
mod restore;
mod retention;
mod shutdown;
mod slow;
mod stats;
mod streams;
mod targets;
mod titles;
mod urls;
mod users;
mod visitors;
mod world;
