//! The capacity model: a closed queueing network of users and stations, simulated by NeXosim from measured service times.
//!
//! It first repeats the runs that were measured, to show what its answers are worth, and only then speaks of fleets that
//! nobody measured. Of these it knows queueing for processors and nothing else: no network, no noisy neighbours.

pub mod costs;
pub mod measured;
pub mod network;
pub mod pools;
pub mod request;
pub mod scale;
pub mod station;
pub mod users;
