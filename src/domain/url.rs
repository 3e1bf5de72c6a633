//! Links: a short code, where it leads, and whose it is.

use utoipa::ToSchema;

use super::{
    ShortCode, TargetUrl, UrlId, UserId,
    clock::Timestamp,
    text::{Invalid, at_most, checked_text, no_control_characters},
};

checked_text!(
    /// A link's title for people: at most 500 characters, no control characters.
    Title, check_title, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "Roadmap update"
);

impl Title {
    /// Whether there is anything in it. An empty title is none: a CSV file could not tell the two apart.
    pub fn is_given(&self) -> bool {
        !self.as_str().is_empty()
    }
}

/// A link as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Url {
    /// Identifies the link.
    pub id: UrlId,
    /// Its owner.
    pub user_id: UserId,
    /// The unique, case-sensitive code that is followed.
    pub short_code: ShortCode,
    /// Where it leads, byte for byte as it was given.
    pub original_url: TargetUrl,
    /// A title for people.
    pub title: Option<Title>,
    /// Whether it can be followed.
    pub is_active: bool,
    /// When it was created, UTC.
    pub created_at: Timestamp,
    /// When one of its fields last changed, UTC.
    pub updated_at: Timestamp,
}

/// A link about to be created.
#[derive(Debug, Clone)]
pub struct NewUrl {
    /// Its owner.
    pub user_id: UserId,
    /// Where it leads.
    pub original_url: TargetUrl,
    /// A title for people.
    pub title: Option<Title>,
    /// The code chosen for it; `None` asks for a generated one.
    pub short_code: Option<ShortCode>,
}

/// What of a link is to change; the outer `None` keeps the field.
#[derive(Debug, Clone, Default)]
pub struct UrlChanges {
    /// A new title, or none.
    pub title: Option<Option<Title>>,
    /// Whether it can be followed.
    pub is_active: Option<bool>,
    /// Where it leads.
    pub original_url: Option<TargetUrl>,
}

/// One field of a link that really changed: its name and its new value, as an `updated` event tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct FieldChange {
    /// The field's name.
    pub field: &'static str,
    /// Its value from now on.
    pub new_value: serde_json::Value,
}

impl Url {
    /// Applies `changes` at the moment `now` and tells which fields really changed; `updated_at` moves only then,
    /// and always forward.
    pub fn apply(&mut self, changes: UrlChanges, now: Timestamp) -> Vec<FieldChange> {
        let mut changed = Vec::new();
        let mut note = |field, new_value: serde_json::Value| changed.push(FieldChange { field, new_value });
        if let Some(title) = changes.title.filter(|title| *title != self.title) {
            note("title", title.as_ref().map(Title::as_str).into());
            self.title = title;
        }
        if let Some(is_active) = changes.is_active.filter(|is_active| *is_active != self.is_active) {
            note("is_active", is_active.into());
            self.is_active = is_active;
        }
        if let Some(target) = changes.original_url.filter(|target| *target != self.original_url) {
            note("original_url", target.as_str().into());
            self.original_url = target;
        }
        if !changed.is_empty() {
            self.updated_at = now.max(self.updated_at + chrono::Duration::microseconds(1));
        }
        changed
    }
}

fn check_title(text: &str) -> Result<(), Invalid> {
    no_control_characters(text)?;
    at_most(text, 500, "must have at most 500 characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Url {
        let at = chrono::DateTime::from_timestamp(1_750_000_000, 0).unwrap();
        Url {
            id: UrlId(1),
            user_id: UserId(1),
            short_code: ShortCode::parse("abc").unwrap(),
            original_url: TargetUrl::parse("https://example.com/").unwrap(),
            title: None,
            is_active: true,
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn only_what_differs_counts_as_changed() {
        let mut url = link();
        let before = url.clone();
        let same =
            UrlChanges { title: Some(None), is_active: Some(true), original_url: Some(url.original_url.clone()) };
        assert_eq!(url.apply(same, before.updated_at + chrono::Duration::hours(1)), []);
        assert_eq!(url, before);
    }

    #[test]
    fn a_change_moves_updated_at_forward_even_where_the_clock_went_back() {
        let mut url = link();
        let before = url.updated_at;
        let changed = url
            .apply(UrlChanges { is_active: Some(false), ..UrlChanges::default() }, before - chrono::Duration::hours(1));
        assert_eq!(changed, [FieldChange { field: "is_active", new_value: false.into() }]);
        assert!(url.updated_at > before);
    }
}
