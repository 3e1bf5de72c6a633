//! What is counted: the only room that knows how wide a slot is.
//!
//! [`record`] stores batches of clicks and what they add to the rollups; [`read`] answers statistics from the rollups;
//! [`reconcile`] compares the rollups with the events; [`watermark`] tells how far the ledger can be read.
//! Promises: events and sums change in one transaction, so that statistics are never behind; no statistic counts events.

pub mod exported;
pub mod pending;
pub mod read;
pub mod reconcile;
pub mod record;
pub mod retention;
pub mod rollups;
pub mod watermark;

pub use self::{
    record::{ClickBatch, NewClick},
    rollups::Counted,
    watermark::Watermark,
};
