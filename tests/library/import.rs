//! Import, export and backup on both databases: what section 5 of the contract says of data carried over.

mod backup;
mod contention;
mod events;
mod files;
mod gone_by;
mod links;
mod round_trip;
mod users;
mod world;
