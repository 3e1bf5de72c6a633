//! The words of the field, parsed once at the edge: users, links, events, and the rules each value must meet.
//!
//! Pure: no I/O, no clock of its own ([`clock`] is handed in), nothing of HTTP or SQL but the derives that let sqlx
//! read and bind the types. A value of a type in here is valid; unchecked text never travels further.

pub mod caller;
pub mod clock;
pub mod event;
pub mod hosts;
pub mod ids;
pub mod key;
pub mod likely;
pub mod page;
pub mod proxies;
pub mod public_address;
pub mod rate_limit;
pub mod rollup;
pub mod short_code;
pub mod stats;
pub mod target_policy;
pub mod target_url;
pub mod text;
pub mod url;
pub mod user;

pub use self::{
    caller::{Caller, KeyHolder},
    clock::Clock,
    event::{Details, Event, EventType, NewEvent},
    hosts::HostNames,
    ids::{EventId, KeyId, UrlId, UserId},
    key::{ApiKey, KeyName, NewKey, Scope, Scopes, Secret},
    likely::{likely, misspelt},
    page::{Cursor, Page, PageRequest},
    proxies::TrustedProxies,
    rate_limit::{LimitMode, Policy, RateLimit},
    rollup::{Dimension, Subject},
    short_code::ShortCode,
    target_policy::{HostList, HostName, TargetPolicy},
    target_url::TargetUrl,
    text::Invalid,
    url::{DisabledReason, NewUrl, Title, Url, UrlChanges},
    user::{EmailAddress, NewUser, User, UserChanges, Username},
};
