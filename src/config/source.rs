//! The variables as they were given, and the faults found while reading them.
//!
//! Reading never stops at a fault: it is noted, and the next field is read, so that one message names them all. The value of a
//! secret appears in no fault.

use std::{collections::HashMap, fmt};

use super::form::Form;

/// Longest part of a refused value that a fault repeats, in characters.
const QUOTED_CHARS: usize = 60;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable to change.
    pub variable: &'static str,
    /// What was expected of it, and what it holds instead where that is no secret.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

/// The given variables: names to values that are not empty.
#[derive(Default)]
pub(super) struct Source {
    values: HashMap<String, String>,
    faults: Vec<Fault>,
}

impl Source {
    /// Takes the variables in; a later pair wins over an earlier one of the same name, but an empty value never wins, as an empty
    /// variable counts as unset.
    pub(super) fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let values = vars
            .into_iter()
            .map(|(name, value)| (name, value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self { values, faults: Vec::new() }
    }

    /// The value that was given for a variable.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Notes a fault that no single value shows.
    pub(super) fn fault(&mut self, variable: &'static str, problem: impl Into<String>) {
        self.faults.push(Fault { variable, problem: problem.into() });
    }

    /// All that was found wrong, in the order of reading.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Reads a variable that may be unset; the outer `None` is a fault, already noted.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        secret: bool,
        form: &Form<impl Fn(&str) -> Option<T>>,
    ) -> Option<Option<T>> {
        let Some(text) = self.given(name) else { return Some(None) };
        let value = form.read(text);
        if value.is_none() {
            let problem =
                if secret { form.expected().to_owned() } else { format!("{}, got {}", form.expected(), quoted(text)) };
            self.fault(name, format!("expected {problem}"));
        }
        value.map(Some)
    }

    /// Reads a variable that has a default, which goes through the same form; `None` is a fault, already noted.
    pub(super) fn with_default<T>(
        &mut self,
        name: &'static str,
        default: &'static str,
        secret: bool,
        form: &Form<impl Fn(&str) -> Option<T>>,
    ) -> Option<T> {
        match self.optional(name, secret, form)? {
            Some(value) => Some(value),
            None => form.read(default),
        }
    }
}

/// A refused value on one line, cut short.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_later_pair_wins_unless_it_is_empty() {
        let source = Source::new(pairs(&[("A", "1"), ("A", " 2 "), ("A", ""), ("B", "  ")]));
        assert_eq!(source.given("A"), Some("2"));
        assert_eq!(source.given("B"), None);
    }

    #[test]
    fn a_refused_value_stays_on_one_short_line() {
        let text = format!("a\nb{}", "ü".repeat(500));
        let line = quoted(&text);
        assert!(!line.contains('\n') && line.chars().count() < 80, "{line}");
    }
}
