//! buoy: short links that stay afloat.
//!
//! The floors, each importing only from those below it (`tests/architecture.rs` keeps them apart):
//!
//! `domain` → `db` → `stats`, `fleet` → `store`, `visitors` →
//! `statements`, `access`, `cache`, `clicks`, `import`, `export`, `feed`, `limits`, `metrics`, `outbound` →
//! `state` → `http`, `console` → `lifecycle`, `telemetry` → `config` → `cli` → `main`
//!
//! A room declares its settings type; `config` fills them in.
//! ARCHITECTURE.md draws the map and follows a request through it.

pub mod access;
pub mod cache;
pub mod cli;
pub mod clicks;
pub mod config;
pub mod console;
pub mod db;
pub mod domain;
pub mod export;
pub mod feed;
pub mod fleet;
pub mod http;
pub mod import;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod outbound;
pub mod state;
pub mod statements;
pub mod stats;
pub mod store;
pub mod telemetry;
pub mod visitors;
