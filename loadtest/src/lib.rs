//! The load test of buoy: loads any deployment over its API, checks what it answers, and compares the clicks it made
//! with the clicks that were counted.
//!
//! Goose runs the users: how many, how fast they start, what each does, how long it waits, and the end on Ctrl-C.
//! Requests are measured by [`recorder`], since latency counts from when a request was due, failed requests included.
//! [`mod@bench`] holds the benchmark, which has a binary of its own.

pub mod api;
pub mod attack;
pub mod bench;
pub mod chart;
pub mod clicks;
pub mod figures;
pub mod host;
pub mod options;
pub mod pace;
pub mod prepare;
pub mod recorder;
pub mod report;
pub mod scenario;
pub mod summary;
pub mod thresholds;
pub mod world;
