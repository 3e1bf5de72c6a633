//! The replicas and their database: whether it can be used, who else is at work on it, and what the others changed.
//!
//! [`monitor`] keeps one connection beside the pool. On it a [`listener`] receives announcements and acknowledges
//! them, and a heartbeat keeps this process in the table of [`replicas`].

pub mod availability;
mod connect_failure;
pub mod diagnose;
pub mod listener;
pub mod monitor;
pub mod replicas;

pub use self::{
    availability::{Availability, DatabaseStatus, Outage},
    listener::Observer,
    monitor::Monitor,
    replicas::Replica,
};
