//! Links: the list, and the forms that create, change and delete one.

pub(super) mod bulk;
pub(super) mod code;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod edit;
mod history;
pub(super) mod list;
pub(super) mod one;
mod row;
mod spark;

use serde::Deserialize;

use super::{format::When, visit::Visit};
use crate::domain::clock::Timestamp;

/// A link as the API answers it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Link {
    pub(super) id: i64,
    pub(super) short_code: String,
    pub(super) short_url: String,
    pub(super) original_url: String,
    pub(super) title: Option<String>,
    pub(super) is_active: bool,
    pub(super) disabled_reason: Option<String>,
    #[serde(default)]
    pub(super) clicks: i64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl Link {
    /// The one word for whether it can be followed.
    pub(super) fn state(&self) -> &'static str {
        match (&self.disabled_reason, self.is_active) {
            (Some(_), _) => "disabled",
            (None, false) => "inactive",
            (None, true) => "active",
        }
    }

    /// The short address without its scheme, as people read it.
    pub(super) fn shown(&self) -> &str {
        self.short_url.split_once("://").map_or(&self.short_url, |(_, shown)| shown)
    }

    /// The target without its scheme.
    pub(super) fn target(&self) -> &str {
        self.original_url.split_once("://").map_or(&self.original_url, |(_, shown)| shown)
    }

    pub(super) fn title(&self) -> &str {
        self.title.as_deref().unwrap_or_default()
    }

    pub(super) fn reason(&self) -> &str {
        self.disabled_reason.as_deref().unwrap_or_default()
    }

    pub(super) fn changed(&self, visit: &Visit) -> When {
        When::new(self.updated_at, visit.now())
    }
}

/// The path of a link in the API.
pub(super) fn path(id: i64) -> String {
    format!("/urls/{id}")
}
