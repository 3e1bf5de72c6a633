//! The benchmark: how close buoy comes to a handler that does nothing, with the same client and the same connections.
//!
//! Phases alternate, so that whatever else the machine does meets all of them, and medians are compared. A phase after which
//! the database has not exactly one click for each redirect that was answered does not count.

pub mod bare;
pub mod client;
pub mod figures;
pub mod fleet;
pub mod plan;
pub mod process;
pub mod proxy;
