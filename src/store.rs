//! The tables that the API is about: users, links, events and keys; one file for each.
//!
//! Promises: every list is bounded and in `id` order; a change and the events it leaves are one transaction; a code
//! once used is never given to another link. Leaves out: what an answer looks like.

pub mod bulk;
pub mod events;
pub mod idempotency;
pub mod keys;
pub mod ledger;
pub mod limits;
mod own_events;
mod paging;
pub mod ranking;
mod select;
pub mod urls;
pub mod users;

pub use self::{
    events::EventFilter,
    idempotency::{Claim, RecordedAnswer},
    keys::{KeyCounts, KnownKey},
    ledger::{Gap, LedgerEvent},
    limits::{Bucket, Taken},
    ranking::CountedUrl,
    urls::{Link, UrlFilter},
    users::UserFilter,
};
