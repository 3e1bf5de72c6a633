//! Links: a short code, its target, and its owner.

use utoipa::ToSchema;

use super::{
    ShortCode, TargetUrl, UrlId, UserId,
    clock::Timestamp,
    text::{Invalid, at_most, checked_text, no_hidden_characters, one_line},
};

checked_text!(
    /// A link's title for people: at most 500 characters, no control or hidden format characters.
    Title, check_title, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "Roadmap update"
);

checked_text!(
    /// Why a link is disabled: 1 to 200 characters, no control characters, no white space around them. One that
    /// begins with `legal` says that the law demands it.
    DisabledReason, check_reason, min_length = 1, max_length = 200, example = "legal: court order"
);

impl DisabledReason {
    /// Whether the law demands it: the reason begins with `legal`, in whatever case.
    pub fn is_legal(&self) -> bool {
        const LEGAL: &str = "legal";
        self.as_str().get(..LEGAL.len()).is_some_and(|start| start.eq_ignore_ascii_case(LEGAL))
    }
}

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
    /// The target, byte for byte as it was given.
    pub original_url: TargetUrl,
    /// A title for people.
    pub title: Option<Title>,
    /// Whether it can be followed.
    pub is_active: bool,
    /// When it was created, UTC.
    pub created_at: Timestamp,
    /// When one of its fields last changed, UTC.
    pub updated_at: Timestamp,
    /// Why it cannot be followed, whatever its owner says; none if it is not disabled.
    pub disabled_reason: Option<DisabledReason>,
}

/// A link about to be created.
#[derive(Debug, Clone)]
pub struct NewUrl {
    /// Its owner.
    pub user_id: UserId,
    /// The target.
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
    /// The target.
    pub original_url: Option<TargetUrl>,
    /// Why it is disabled from now on; the inner `None` enables it again.
    pub disabled_reason: Option<Option<DisabledReason>>,
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
        if let Some(reason) = changes.disabled_reason.filter(|reason| *reason != self.disabled_reason) {
            note("disabled_reason", reason.as_ref().map(DisabledReason::as_str).into());
            self.disabled_reason = reason;
        }
        if !changed.is_empty() {
            self.updated_at = now.max(self.updated_at + chrono::Duration::microseconds(1));
        }
        changed
    }
}

fn check_title(text: &str) -> Result<(), Invalid> {
    no_hidden_characters(text)?;
    at_most(text, 500, "must have at most 500 characters")
}

fn check_reason(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid("must not be empty; null enables the link"));
    }
    one_line(text, 200, "must have at most 200 characters")
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
            disabled_reason: None,
        }
    }

    #[test]
    fn only_what_differs_counts_as_changed() {
        let mut url = link();
        let before = url.clone();
        let same = UrlChanges {
            title: Some(None),
            is_active: Some(true),
            original_url: Some(url.original_url.clone()),
            disabled_reason: Some(None),
        };
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

    #[test]
    fn only_who_says_so_enables_a_link() {
        let (mut url, now) = (link(), link().updated_at);
        let reason = DisabledReason::parse("Legal: court order").unwrap();
        let disable = UrlChanges { disabled_reason: Some(Some(reason.clone())), ..UrlChanges::default() };
        let noted = FieldChange { field: "disabled_reason", new_value: "Legal: court order".into() };
        assert_eq!(url.apply(disable, now), [noted]);
        url.apply(UrlChanges { is_active: Some(false), ..UrlChanges::default() }, now);
        url.apply(UrlChanges { is_active: Some(true), ..UrlChanges::default() }, now);
        assert_eq!(url.disabled_reason, Some(reason));
        url.apply(UrlChanges { disabled_reason: Some(None), ..UrlChanges::default() }, now);
        assert_eq!(url.disabled_reason, None);
    }

    #[test]
    fn reasons_are_told_apart() {
        for (reason, is_legal) in
            [("legal", true), ("LEGAL: order 7", true), ("spam", false), ("lega", false), ("illegal", false)]
        {
            assert_eq!(DisabledReason::parse(reason).unwrap().is_legal(), is_legal, "{reason}");
        }
        assert!(Title::parse("safe \u{202e}gpj.exe").is_err() && Title::parse("👩\u{200d}🚀").is_ok());
        for bad in ["", " spam", "spam ", "a\nb", "a\u{200b}b", &"x".repeat(201)] {
            assert!(DisabledReason::parse(bad).is_err(), "{bad:?}");
        }
        assert!(DisabledReason::parse("ü".repeat(200)).is_ok());
    }
}
