//! What any text must meet before it becomes a value of the domain.

/// Why a value was refused, worded to follow the name of its field: `email: is not an e-mail address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// Refuses NUL and every other control character: PostgreSQL cannot hold the first, and terminals obey the others.
pub(super) fn no_control_characters(text: &str) -> Result<(), Invalid> {
    if text.chars().any(char::is_control) { Err(Invalid("must not contain control characters")) } else { Ok(()) }
}

/// Whether a character is not seen, or turns the direction of the text around it: with such characters one name can be
/// made to look like another. U+200C and U+200D are taken: Persian, Indian scripts and emoji need them.
pub fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Refuses control characters, and format characters that hide in a text.
pub(super) fn no_hidden_characters(text: &str) -> Result<(), Invalid> {
    no_control_characters(text)?;
    if text.chars().any(is_hidden) {
        return Err(Invalid("must not contain format characters such as U+202E or U+200B"));
    }
    Ok(())
}

/// Refuses text of more than `limit` characters with `message`, which names the limit.
pub(super) fn at_most(text: &str, limit: usize, message: &'static str) -> Result<(), Invalid> {
    // A character has four bytes at most: characters are counted only if the length in bytes leaves it open.
    if text.len() > limit && text.chars().nth(limit).is_some() { Err(Invalid(message)) } else { Ok(()) }
}

/// Refuses what is no line of 1 to `limit` characters: control and format characters, white space around it, nothing at all.
pub(super) fn one_line(text: &str, limit: usize, message: &'static str) -> Result<(), Invalid> {
    no_hidden_characters(text)?;
    at_most(text, limit, message)?;
    match text {
        "" => Err(Invalid("must not be empty")),
        _ if text.trim() != text => Err(Invalid("must not begin or end with white space")),
        _ => Ok(()),
    }
}

/// Defines a type that holds text which has passed `check`.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:path, $($schema:tt)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, sqlx::Type, utoipa::ToSchema)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = String, $($schema)*)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` if it meets the rules of this type.
            ///
            /// # Errors
            /// Says which rule it breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, $crate::domain::text::Invalid> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::text::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use checked_text;
