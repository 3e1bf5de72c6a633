//! Which links a transaction changed, and how the other replicas are told.
//!
//! The announcement is part of the transaction (NOTIFY): it goes out exactly when the change is committed. Each live
//! replica drops what it knows of the link and acknowledges; see [`super::receipts`]. Acknowledgements go over a
//! channel of the replica that waits for them, so that no other one hears them.

use serde::{Deserialize, Serialize};

use crate::domain::ShortCode;

/// The channel of announcements.
pub(crate) const ANNOUNCEMENTS: &str = "buoy_changes";

/// The channel of acknowledgements to one replica, on which that replica alone listens.
pub(crate) fn acknowledgements_to(replica: &str) -> String {
    format!("buoy_acks_{replica}")
}

/// The number of changes whose acknowledgement is not awaited.
pub(crate) const UNAWAITED: u64 = 0;

/// Codes that one announcement names at most: PostgreSQL's payload has 8,000 bytes, a code 64. Beyond it, all are
/// meant.
const NAMED_AT_MOST: usize = 64;

/// Which links changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changes {
    /// Those with these codes.
    Codes(Vec<String>),
    /// Any.
    All,
}

impl Default for Changes {
    fn default() -> Self {
        Self::Codes(Vec::new())
    }
}

impl From<&ShortCode> for Changes {
    fn from(code: &ShortCode) -> Self {
        Self::Codes(vec![code.as_str().to_owned()])
    }
}

impl Changes {
    /// Adds a link.
    pub(crate) fn add(&mut self, code: &ShortCode) {
        if let Self::Codes(codes) = self {
            if codes.len() < NAMED_AT_MOST {
                codes.push(code.as_str().to_owned());
            } else {
                *self = Self::All;
            }
        }
    }

    /// Any one link, whose code the statement that changes it puts in the place of `*`, which no code has.
    pub(crate) fn of_placeholder() -> Self {
        Self::Codes(vec!["*".to_owned()])
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Codes(codes) if codes.is_empty())
    }
}

/// What one process tells the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// Who.
    pub(crate) from: String,
    /// What.
    pub(crate) news: News,
}

impl Announcement {
    /// What this version of the program says.
    pub(crate) fn of(from: &str, news: News) -> Self {
        Self { from: from.to_owned(), news }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum News {
    /// Links changed; the number is what the acknowledgement names, [`UNAWAITED`] if none is to be sent.
    Changed(u64, Changes),
    /// A replica has come, and is to be waited for from now on.
    Came,
    /// A replica has gone.
    Went,
}

/// What a replica answers to the changes of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acknowledgement {
    /// Who acknowledges.
    pub(crate) from: String,
    /// Which changes.
    pub(crate) numbers: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_fits_into_a_payload() {
        let mut changes = Changes::default();
        for _ in 0..NAMED_AT_MOST {
            changes.add(&ShortCode::parse("x".repeat(64)).unwrap());
        }
        let news = News::Changed(u64::MAX, changes.clone());
        let text = serde_json::to_string(&Announcement::of(&"0".repeat(32), news.clone())).unwrap();
        assert!(text.len() < 8_000, "{}", text.len());
        assert_eq!(serde_json::from_str::<Announcement>(&text).unwrap().news, news);
        changes.add(&ShortCode::parse("one-more").unwrap());
        assert_eq!(changes, Changes::All);
    }
}
