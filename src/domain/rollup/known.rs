//! What a click event's details say of who clicked.

use serde_json::{Map, Value};

use super::Dimension;
use crate::domain::Details;

/// The longest value that is counted, in characters: a host name has at most 253.
const LONGEST: usize = 253;
/// The key that marks a program.
pub const BOT: &str = "bot";

/// What is known of who clicked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether a program did.
    pub is_bot: bool,
    /// Values by dimension, at most one each.
    pub values: Vec<(Dimension, String)>,
}

impl Known {
    /// Reads a click event's details. What does not look like a value is not one: clients may write what they like
    /// there.
    pub fn from_details(details: &Details) -> Self {
        let Ok(fields) = serde_json::from_str::<Map<String, Value>>(details.as_str()) else { return Self::default() };
        let value = |dimension: Dimension| {
            let text = fields.get(dimension.name())?.as_str()?;
            is_value(text).then(|| (dimension, text.to_owned()))
        };
        Self {
            is_bot: fields.get(BOT) == Some(&Value::Bool(true)),
            values: Dimension::ALL.into_iter().filter_map(value).collect(),
        }
    }
}

fn is_value(text: &str) -> bool {
    (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(details: &str) -> Known {
        Known::from_details(&Details::parse(details).unwrap())
    }

    #[test]
    fn values_are_read_from_details() {
        let read = known(r#"{"browser":"Firefox","country":"DE","colour":"red","bot":true}"#);
        assert!(read.is_bot);
        assert_eq!(read.values, [(Dimension::Country, "DE".to_owned()), (Dimension::Browser, "Firefox".to_owned())]);
    }

    #[test]
    fn what_is_no_value_counts_as_unknown() {
        let long = format!(r#"{{"referrer":"{}"}}"#, "x".repeat(254));
        for details in
            ["{}", r#"{"os":1,"bot":"true"}"#, r#"{"os":""}"#, r#"{"os":"a\u0000b"}"#, r#"{"os":null}"#, &long]
        {
            assert_eq!(known(details), Known::default(), "{details}");
        }
    }
}
