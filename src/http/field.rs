//! The fields of a JSON body: each is present and valid, present and refused, null, or missing. All faults of a body
//! are collected, so that a client learns them together.

use std::collections::BTreeMap;

use chrono::{Datelike as _, SubsecRound as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Error;
use crate::domain::{
    Details, DisabledReason, EmailAddress, EventType, Invalid, KeyName, Scopes, ShortCode, TargetUrl, Title, UrlId,
    UserId, Username, clock::Timestamp,
};

/// One field of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The body does not have it.
    #[default]
    Missing,
    /// It is null.
    Null,
    /// It holds a valid value.
    Valid(T),
    /// It holds something that was refused, and why.
    Refused(String),
}

/// The faults found in a body so far, by field.
#[derive(Debug, Default)]
pub struct Faults(BTreeMap<String, String>);

/// A value that a field can hold.
pub trait FieldValue: Sized {
    /// Reads the value from its JSON text.
    ///
    /// # Errors
    /// Says what was expected, worded to follow the field's name.
    fn from_json(json: &str) -> Result<Self, String>;
}

impl<T> Field<T> {
    /// Refuses a value that fails one more check.
    #[must_use]
    pub fn meeting(self, check: impl FnOnce(&T) -> Result<(), Invalid>) -> Self {
        match self {
            Self::Valid(value) => match check(&value) {
                Ok(()) => Self::Valid(value),
                Err(fault) => Self::Refused(fault.to_string()),
            },
            other => other,
        }
    }

    /// The value of a field that must be there; otherwise a fault is noted.
    pub fn required(self, name: &str, faults: &mut Faults) -> Option<T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Missing => faults.note(name, "is required"),
            Self::Null => faults.note(name, "must not be null"),
            Self::Refused(fault) => faults.note(name, fault),
        }
    }

    /// The value of a field that may be missing; null is a fault.
    pub fn optional(self, name: &str, faults: &mut Faults) -> Option<T> {
        if matches!(self, Self::Missing) { None } else { self.required(name, faults) }
    }

    /// The value of a field that may be missing or null: the outer none means missing, the inner one null.
    pub fn nullable(self, name: &str, faults: &mut Faults) -> Option<Option<T>> {
        match self {
            Self::Null => Some(None),
            other => other.optional(name, faults).map(Some),
        }
    }
}

impl Faults {
    /// Notes a fault.
    pub fn note<T>(&mut self, field: &str, fault: impl Into<String>) -> Option<T> {
        self.0.insert(field.to_owned(), fault.into());
        None
    }

    /// Hands on the values if no fault was noted.
    ///
    /// # Errors
    /// 422 with every fault.
    pub fn check<T>(self, values: Option<T>) -> Result<T, Error> {
        match values {
            Some(values) if self.0.is_empty() => Ok(values),
            _ => Err(Error::invalid(self.0)),
        }
    }
}

impl<'de, T: FieldValue> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        if json == "null" {
            return Ok(Self::Null);
        }
        Ok(T::from_json(json).map_or_else(Self::Refused, Self::Valid))
    }
}

macro_rules! text_fields {
    ($($name:ty),*) => {
        $(impl FieldValue for $name {
            fn from_json(json: &str) -> Result<Self, String> {
                if !json.starts_with('"') {
                    return Err("must be a string".to_owned());
                }
                let text: String = serde_json::from_str(json).map_err(|_| "must be well-formed text".to_owned())?;
                Self::parse(text).map_err(|fault| fault.to_string())
            }
        })*
    };
}
text_fields!(Username, EmailAddress, ShortCode, TargetUrl, Title, DisabledReason, EventType, KeyName);

macro_rules! id_fields {
    ($($name:ty),*) => {
        $(impl FieldValue for $name {
            fn from_json(json: &str) -> Result<Self, String> {
                json.parse().map_err(|fault: Invalid| fault.to_string())
            }
        })*
    };
}
id_fields!(UserId, UrlId);

impl FieldValue for bool {
    fn from_json(json: &str) -> Result<Self, String> {
        json.parse().map_err(|_| "must be true or false".to_owned())
    }
}

impl FieldValue for Scopes {
    fn from_json(json: &str) -> Result<Self, String> {
        let names: Vec<String> = serde_json::from_str(json).map_err(|_| "must be a list of strings".to_owned())?;
        Self::of(names.iter().map(String::as_str)).map_err(|fault| fault.to_string())
    }
}

impl FieldValue for Timestamp {
    fn from_json(json: &str) -> Result<Self, String> {
        let time: Option<Self> = serde_json::from_str(json).ok();
        // What a database holds: years of four digits, microseconds.
        let time = time.filter(|time| (1970..=9999).contains(&time.year()));
        let time = time.map(|time| time.trunc_subsecs(6));
        time.ok_or_else(|| "must be a time as 2030-01-01T00:00:00Z".to_owned())
    }
}

impl FieldValue for Details {
    fn from_json(json: &str) -> Result<Self, String> {
        Self::parse(json).map_err(|fault| fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        username: Field<Username>,
        #[serde(default)]
        user_id: Field<UserId>,
        #[serde(default)]
        flag: Field<bool>,
    }

    fn read(json: &str) -> Body {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_fault_is_named() {
        let body = read(r#"{"username": 7, "user_id": 1.5, "flag": "true"}"#);
        let mut faults = Faults::default();
        assert_eq!(body.username.required("username", &mut faults), None);
        assert_eq!(body.user_id.required("user_id", &mut faults), None);
        assert_eq!(body.flag.optional("flag", &mut faults), None);
        assert_eq!(faults.0.keys().collect::<Vec<_>>(), ["flag", "user_id", "username"]);
    }

    #[test]
    fn missing_and_null_are_told_apart() {
        let mut faults = Faults::default();
        let body = read(r#"{"username": null}"#);
        assert_eq!(body.username.nullable("username", &mut faults), Some(None));
        assert_eq!(body.user_id.nullable("user_id", &mut faults), None);
        assert!(faults.0.is_empty());
    }

    #[test]
    fn lone_surrogates_are_no_text() {
        assert!(matches!(read(r#"{"username": "\ud800"}"#).username, Field::Refused(_)));
    }
}
