//! Events: what happened to a link. They outlive the link and the user they name.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::{
    Caller, EventId, UrlId, UserId,
    clock::Timestamp,
    target_url,
    text::{Invalid, checked_text, one_line},
};

/// The types of events that tell of a link's life, which the service alone writes.
const RESERVED: [&str; 3] = ["created", "updated", "deleted"];
/// Bytes of details at most.
const MAX_DETAILS: usize = 8 * 1_024;
/// Bytes at most of what the service itself notes: two targets, of which JSON may escape every byte, and a few words.
const MAX_OWN_DETAILS: usize = 4 * target_url::MAX_BYTES + 1_024;

checked_text!(
    /// The type of an event: `click`, `created`, `updated`, `deleted`, or a client's own word of 1 to 64
    /// characters.
    EventType, check_type, min_length = 1, max_length = 64,
    pattern = r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?$", example = "click"
);

checked_text!(
    /// More about an event: the text of a JSON object, kept as it was given, so that no digit of a number is lost.
    Details, check_details, example = "{}"
);

impl EventType {
    /// A link was followed.
    pub fn click() -> Self {
        Self("click".to_owned())
    }

    /// A link was created.
    pub fn created() -> Self {
        Self("created".to_owned())
    }

    /// A field of a link changed.
    pub fn updated() -> Self {
        Self("updated".to_owned())
    }

    /// A link was deleted.
    pub fn deleted() -> Self {
        Self("deleted".to_owned())
    }

    fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }

    /// Checks that a client may post events of this type.
    ///
    /// # Errors
    /// The service alone writes them.
    pub fn check_postable(&self) -> Result<(), Invalid> {
        if self.is_reserved() { Err(Invalid("is written by the service alone")) } else { Ok(()) }
    }

    /// Checks that events of this type may have these details. What the service itself wrote names targets in full, and
    /// has the longer bound of every [`Details`].
    ///
    /// # Errors
    /// They are too long.
    pub fn check_details(&self, details: &Details) -> Result<(), Invalid> {
        if self.is_reserved() { Ok(()) } else { details.check_short() }
    }
}

impl Details {
    /// The empty object.
    pub fn none() -> Self {
        Self("{}".to_owned())
    }

    /// The same, and who acted, if credentials are in force: `"by":"admin"`, or `"by":"key:7"` for the key of that id.
    /// Another `by` is replaced.
    #[must_use]
    pub fn by(self, caller: &Caller) -> Self {
        let Some(Ok(name)) = caller.name().map(|name| to_raw_value(&name)) else { return self };
        // The members stay the text that they were, so that no digit of a number is lost.
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&self.0).unwrap_or_default();
        members.insert("by".to_owned(), name);
        Self::of(&members)
    }

    /// Checks the bound of details that clients send.
    ///
    /// # Errors
    /// They have more than 8 KiB.
    pub fn check_short(&self) -> Result<(), Invalid> {
        if self.0.len() > MAX_DETAILS { Err(Invalid("must have at most 8192 bytes")) } else { Ok(()) }
    }

    /// The object that `value` serialises to; anything else becomes the empty object.
    pub fn of(value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value).ok().filter(|text| text.starts_with('{'));
        text.map_or_else(Self::none, Self)
    }

    /// The object whose members `push` adds, each as JSON with a comma after it. Not parsed again: every click comes
    /// this way.
    pub fn of_members(push: impl FnOnce(&mut String)) -> Self {
        let mut text = String::with_capacity(128);
        text.push('{');
        push(&mut text);
        if text.ends_with(',') {
            text.pop();
        }
        text.push('}');
        Self(text)
    }
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, ToSchema)]
pub struct Event {
    /// Identifies the event.
    pub id: EventId,
    /// The link it is about, which may be gone.
    pub url_id: UrlId,
    /// The user who did it; null for an anonymous visitor.
    #[schema(required = true)]
    pub user_id: Option<UserId>,
    /// Its type.
    pub event_type: EventType,
    /// When it happened, UTC.
    #[schema(value_type = String, format = DateTime, example = "2026-01-14T12:49:03Z")]
    pub timestamp: Timestamp,
    /// More about it, an object.
    #[serde(serialize_with = "as_json")]
    #[schema(value_type = Object)]
    pub details: Details,
}

/// An event about to be stored.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The link it is about.
    pub url_id: UrlId,
    /// The user who did it; null for an anonymous visitor.
    pub user_id: Option<UserId>,
    /// Its type.
    pub event_type: EventType,
    /// When it happened, UTC.
    pub timestamp: Timestamp,
    /// More about it.
    pub details: Details,
}

/// Embeds the object in a response as it was given, rather than as a string.
fn as_json<S: Serializer>(details: &Details, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(details.as_str()).map_err(S::Error::custom)?.serialize(serializer)
}

fn check_type(text: &str) -> Result<(), Invalid> {
    one_line(text, 64, "must have at most 64 characters")
}

fn check_details(text: &str) -> Result<(), Invalid> {
    if text.len() > MAX_OWN_DETAILS {
        return Err(Invalid("must have at most 8192 bytes"));
    }
    // The whole text is parsed, with the parser's depth limit, so that what is stored can be read by every client.
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(Invalid("must be a JSON object")),
        Err(_) => Err(Invalid("must be a JSON object, well formed and at most 127 levels deep")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_keep_every_digit() {
        let text = r#"{ "n": 123456789012345678901234567890.5, "s": "\u0000" }"#;
        assert_eq!(Details::parse(text).unwrap().as_str(), text);
    }

    #[test]
    fn who_acted_is_said_once_and_loses_no_digit() {
        let text = r#"{"n": 123456789012345678901234567890.5, "by": "admin", "by": {"a": 1}}"#;
        let details = Details::parse(text).unwrap();
        assert_eq!(
            details.clone().by(&Caller::Admin).as_str(),
            r#"{"by":"admin","n":123456789012345678901234567890.5}"#
        );
        assert_eq!(details.clone().by(&Caller::Open), details);
    }

    #[test]
    fn what_the_service_notes_of_the_longest_targets_fits() {
        let target = |letter: &str| format!("https://x.example/{}", letter.repeat(target_url::MAX_BYTES - 18));
        let change = serde_json::json!({ "field": "original_url", "old": target("\""), "new": target("\\") });
        let own = Details::of(&change).by(&Caller::Admin);
        assert_eq!(Details::parse(own.as_str()), Ok(own.clone()));
        assert_eq!(EventType::updated().check_details(&own), Ok(()));
        assert!(EventType::click().check_details(&own).is_err());
        assert!(Details::parse(format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_OWN_DETAILS))).is_err());
    }

    #[test]
    fn details_are_objects_that_every_client_can_read() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for refused in ["", "[]", "1", "null", "\"x\"", "{", r#"{"a":"\ud800"}"#, &deep] {
            assert!(Details::parse(refused).is_err(), "{refused}");
        }
    }
}
