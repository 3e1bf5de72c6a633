//! A link as answers show it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{DisabledReason, ShortCode, TargetUrl, Title, Url, UrlId, UserId, clock::Timestamp},
    http::extract::PublicBase,
    store::CountedUrl,
};

/// A link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Url)]
pub struct UrlBody {
    /// Identifies the link.
    pub(super) id: UrlId,
    /// Its owner.
    user_id: UserId,
    /// The unique, case-sensitive code that is followed.
    short_code: ShortCode,
    /// The target, byte for byte as it was given.
    original_url: TargetUrl,
    /// A title for people.
    #[schema(required = true)]
    title: Option<Title>,
    /// Whether it can be followed.
    is_active: bool,
    /// When it was created, UTC.
    #[schema(value_type = String, format = DateTime, example = "2026-01-14T12:49:03Z")]
    pub(super) created_at: Timestamp,
    /// When one of its fields last changed, UTC.
    #[schema(value_type = String, format = DateTime, example = "2026-01-14T12:49:03Z")]
    updated_at: Timestamp,
    /// The address to share.
    #[schema(format = "uri", example = "https://buoy.example/roadmap")]
    short_url: String,
    /// Why it is disabled; only if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    disabled_reason: Option<DisabledReason>,
    /// How often it was followed, by people and programs; only with `include=clicks`, and in lists by clicks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) clicks: Option<i64>,
}

impl UrlBody {
    pub(super) fn new(url: Url, base: &PublicBase) -> Self {
        Self {
            short_url: base.link(&url.short_code),
            id: url.id,
            user_id: url.user_id,
            short_code: url.short_code,
            original_url: url.original_url,
            title: url.title,
            is_active: url.is_active,
            created_at: url.created_at,
            updated_at: url.updated_at,
            disabled_reason: url.disabled_reason,
            clicks: None,
        }
    }

    pub(super) fn counted(counted: CountedUrl, base: &PublicBase) -> Self {
        Self { clicks: Some(counted.clicks), ..Self::new(counted.url, base) }
    }
}
