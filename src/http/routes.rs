//! One file per resource. Handlers extract, call and map; what they share is one floor down.

pub mod bulk;
pub mod docs;
pub mod events;
pub mod health;
pub mod keys;
pub mod me;
pub mod metrics;
pub mod redirect;
pub mod replicas;
pub mod stats;
pub mod stream;
pub mod urls;
pub mod users;
