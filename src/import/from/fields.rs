//! One row of another service's export: its fields by name, whatever format it came in.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

/// Why a row cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column or key at fault, as the export names it; empty for the row as a whole.
    pub column: Cow<'static, str>,
    /// Why, worded to follow the column's name.
    pub why: Cow<'static, str>,
}

impl Fault {
    /// A fault of a column.
    pub fn new(column: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Self {
        Self { column: column.into(), why: why.into() }
    }
}

/// The fields of a row. Names are compared in lower case, by their letters and digits alone.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Which row of the file it is, counted from 1 without the header.
    pub nth: u64,
    /// The table of a dump or database that it belongs to; empty elsewhere.
    pub table: Arc<str>,
    /// Why the row cannot be read, although its file can.
    pub broken: Option<String>,
    pairs: Vec<(Arc<str>, Value)>,
}

/// A name as it is compared: `Short URL`, `short_url` and `shortURL` are one.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl Fields {
    /// A row of these fields, whose names are plain.
    pub(super) fn new(nth: u64, table: Arc<str>, pairs: Vec<(Arc<str>, Value)>) -> Self {
        Self { nth, table, broken: None, pairs }
    }

    /// Whether there is a field of this name, which may be empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(other, _)| **other == *name)
    }

    /// Whether there are fields of all these names.
    pub(super) fn have(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.has(name))
    }

    /// The value of a field, unless it is null; a dot leads into an object.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        let value = self.pairs.iter().find(|(other, _)| **other == *first).map(|(_, value)| value)?;
        let value = rest.map_or(Some(value), |rest| rest.split('.').try_fold(value, |value, key| value.get(key)))?;
        (!value.is_null()).then_some(value)
    }

    /// The first of these fields that holds something, as text.
    pub(super) fn text(&self, names: &[&str]) -> Option<Cow<'_, str>> {
        names.iter().find_map(|name| {
            let text = match self.value(name)? {
                Value::String(text) => Cow::Borrowed(text.trim()),
                Value::Number(number) => Cow::Owned(number.to_string()),
                Value::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
                _ => return None,
            };
            (!text.is_empty()).then_some(text)
        })
    }

    /// The same, owned.
    pub(super) fn owned(&self, names: &[&str]) -> Option<String> {
        self.text(names).map(Cow::into_owned)
    }

    /// Whether the first of these fields that holds something says yes.
    pub(super) fn flag(&self, names: &[&str]) -> bool {
        self.text(names)
            .is_some_and(|text| ["true", "t", "1", "yes", "y"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
    }

    /// The texts of a list: of strings, or of objects with a `name`.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let items = self.value(name).and_then(Value::as_array).into_iter().flatten();
        let texts = items.filter_map(|item| item.as_str().or_else(|| item.get("name").and_then(Value::as_str)));
        texts.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a field says more than that there is nothing.
    pub(super) fn tells(&self, name: &str) -> bool {
        match self.value(name) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::String(text)) => !matches!(text.trim(), "" | "0" | "f" | "false" | "False" | "FALSE" | "No"),
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(members)) => !members.is_empty(),
            Some(_) => true,
        }
    }

    /// The words for those of `known` fields that tell something, for the list of what does not come along.
    pub(super) fn left(&self, known: &[(&str, &str)]) -> Vec<String> {
        known.iter().filter(|(name, _)| self.tells(name)).map(|(_, words)| (*words).to_owned()).collect()
    }

    /// The names of the fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| &**name)
    }

    /// Gives a field another name.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some((name, _)) = self.pairs.iter_mut().find(|(name, _)| **name == *from) {
            *name = to.into();
        }
    }
}

/// Tags written into one field, by the first of `separators` that occurs there.
pub(super) fn tags(text: Option<Cow<'_, str>>, separators: &[char]) -> Vec<String> {
    let Some(text) = text else { return Vec::new() };
    let separator = separators.iter().copied().find(|separator| text.contains(*separator));
    let parts: Vec<&str> = separator.map_or_else(|| vec![&*text], |separator| text.split(separator).collect());
    parts.into_iter().map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// The host and the code of a short address, with or without a scheme; a query, a fragment and slashes at the end are
/// not part of the code. Without a slash it is a host alone.
pub(super) fn address(text: &str) -> (Option<String>, Option<String>) {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (host, code) = rest.split_once('/').unwrap_or((rest, ""));
    let code = code.trim_end_matches('/');
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (filled(host).map(|host| host.to_ascii_lowercase()), filled(code))
}

/// A code, or a short address that ends in one.
pub(super) fn code_or_address(text: &str) -> (Option<String>, Option<String>) {
    let is_address = text.contains("://") || text.split_once('/').is_some_and(|(host, _)| host.contains('.'));
    if is_address { address(text) } else { (None, Some(text.trim_matches('/').to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let parts = |text: &str| {
            let (host, code) = address(text);
            (host.unwrap_or_default(), code.unwrap_or_default())
        };
        for (text, host, code) in [
            ("https://Kai.example/opening", "kai.example", "opening"),
            ("kai.example/old-ferry/", "kai.example", "old-ferry"),
            ("https://presse.example/mappe?x=1", "presse.example", "mappe"),
            ("https://presse.example", "presse.example", ""),
            ("http://kai.example/talks/2025/tides", "kai.example", "talks/2025/tides"),
        ] {
            assert_eq!(parts(text), (host.to_owned(), code.to_owned()), "{text}");
        }
        assert_eq!(code_or_address("talks/2025"), (None, Some("talks/2025".to_owned())));
        assert_eq!(code_or_address("kai.example/a"), (Some("kai.example".to_owned()), Some("a".to_owned())));
    }

    #[test]
    fn tags_are_split_by_the_separator_that_occurs() {
        assert_eq!(tags(Some("a, b".into()), &[',', '|']), ["a", "b"]);
        assert_eq!(tags(Some("a|b c".into()), &[',', '|']), ["a", "b c"]);
        assert_eq!(tags(Some("".into()), &[',']), [] as [&str; 0]);
    }
}
