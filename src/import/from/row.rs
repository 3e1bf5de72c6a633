//! The neutral row: what adapters make of an export, and the engine takes.

use crate::domain::{Dimension, clock::Timestamp};

/// What a row of an export is.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A link.
    Link(Box<Link>),
    /// A visit, told by itself.
    Visit(Visit),
    /// Visits of an hour or a minute, told by their number.
    Visits(Sum),
    /// A link's total, told apart from the link.
    Count(Name, u64),
}

/// How an export names a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// By domain and code.
    Code(Option<String>, String),
    /// By a number or word of the service's own.
    Id(String),
}

/// What an export tells of a password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Password {
    /// There is none.
    #[default]
    None,
    /// Its hash, in a form that buoy can check.
    Hash(String),
    /// That there is one.
    Hidden,
}

/// A link of another service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Link {
    /// The host of its short address; none is the service's own.
    pub domain: Option<String>,
    /// Its code, as it stands there; none asks for a generated one.
    pub code: Option<String>,
    /// What visits call it, if that is not its code.
    pub id: Option<String>,
    /// The target.
    pub target: String,
    /// A title for people.
    pub title: Option<String>,
    /// A note for people.
    pub notes: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Its owner, by username or e-mail address.
    pub owner: Option<String>,
    /// When it was created, UTC.
    pub created_at: Option<Timestamp>,
    /// When it was last changed, UTC.
    pub updated_at: Option<Timestamp>,
    /// From when on it leads to its target, UTC.
    pub valid_since: Option<Timestamp>,
    /// Until when, UTC.
    pub valid_until: Option<Timestamp>,
    /// Where it leads when that is over.
    pub expired_url: Option<String>,
    /// After how many clicks it is used up.
    pub max_clicks: Option<u64>,
    /// The status that redirects have.
    pub redirect_status: Option<u16>,
    /// Whether the query of a visit is handed on.
    pub forward_query: Option<bool>,
    /// Whether search engines may list it.
    pub crawlable: Option<bool>,
    /// Whether it is switched off.
    pub is_off: bool,
    /// Why an administrator disabled it.
    pub disabled_reason: Option<String>,
    /// Its password.
    pub password: Password,
    /// Clicks that it has had.
    pub clicks: u64,
    /// What has no place in buoy.
    pub left: Vec<String>,
}

/// A visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// Of which link.
    pub of: Name,
    /// When, UTC.
    pub at: Timestamp,
    /// `User-Agent`.
    pub agent: Option<String>,
    /// The address, or only the host, that led there.
    pub referrer: Option<String>,
    /// The visitor's address.
    pub address: Option<String>,
    /// The visitor's country, by its code of two letters.
    pub country: Option<String>,
}

/// Visits that are told by their number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// Of which link.
    pub of: Name,
    /// The beginning of the hour or minute, UTC.
    pub at: Timestamp,
    /// How many.
    pub visits: u64,
    /// How many of them had a value of a dimension.
    pub values: Vec<(Dimension, String, u64)>,
}

impl Item {
    /// A link.
    pub(super) fn link(link: Link) -> Vec<Self> {
        vec![Self::Link(Box::new(link))]
    }
}

/// A referrer, unless the export's word says that there was none.
pub(super) fn referrer(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.eq_ignore_ascii_case("direct") && !text.eq_ignore_ascii_case("unknown"))
}

/// A code of two letters, in capitals.
pub(super) fn country(text: Option<String>) -> Option<String> {
    let is_code = |text: &String| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    text.filter(is_code).map(|text| text.to_ascii_uppercase()).filter(|text| text != "XX")
}
