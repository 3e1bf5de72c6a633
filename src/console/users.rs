//! Users: who owns links, and the keys with which programs and people act for them.

pub(super) mod keys;
pub(super) mod list;
pub(super) mod one;

use serde::Deserialize;

use crate::domain::clock::Timestamp;

/// A user as the API answers it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Person {
    pub(super) id: i64,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) created_at: Timestamp,
}
