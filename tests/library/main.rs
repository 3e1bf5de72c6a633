//! The library by its public functions: the stores, imports, the cache, the OpenAPI document, and properties of any
//! input.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod cache;
mod fuzz;
mod import;
mod openapi;
mod store;
