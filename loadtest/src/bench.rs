//! The benchmark: buoy beside bare handlers, with the same client, the same connections and the same database.
//!
//! It has three parts: redirects of one replica, redirects of three replicas behind Nginx, and the API of one replica.
//! In each, phases against bare handlers and against buoy alternate, so that other load on the machine meets both, and
//! the result is the median of the ratios.

pub mod api;
pub mod bare;
pub mod client;
pub mod figures;
pub mod process;
pub mod proxy;
pub mod redirects;
pub mod requests;
pub mod servers;
