//! The variables as they were given, and the faults found while reading them.
//!
//! Reading never stops at a fault: it is noted, and the next field is read, so that one message names them all. The
//! value of a secret appears in no fault.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::form::Form;

/// Longest part of a refused value that a fault repeats, in characters.
const QUOTED_CHARS: usize = 60;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable to change.
    pub variable: String,
    /// What was expected of it, and what it holds instead if that is no secret.
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
    blank: HashSet<String>,
    faults: Vec<Fault>,
}

impl Source {
    /// Takes the variables in; a later pair wins over an earlier one of the same name, but an empty value never wins,
    /// as an empty variable counts as unset.
    pub(super) fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let (mut values, mut blank) = (HashMap::new(), HashSet::new());
        for (name, value) in vars {
            match value.trim() {
                "" => drop(blank.insert(name)),
                text => drop(values.insert(name, text.to_owned())),
            }
        }
        blank.retain(|name| !values.contains_key(name));
        Self { values, blank, faults: Vec::new() }
    }

    /// Whether the variable was given, and only ever without a value.
    pub(super) fn is_blank(&self, name: &str) -> bool {
        self.blank.contains(name)
    }

    /// The value that was given for a variable.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Notes a fault that no single value shows.
    pub(super) fn fault(&mut self, variable: &str, problem: impl Into<String>) {
        self.faults.push(Fault { variable: variable.to_owned(), problem: problem.into() });
    }

    /// All that was found wrong, in the order of reading.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Reads a variable that may be unset; the outer `None` is a fault, already noted.
    pub(super) fn optional<T>(&mut self, name: &'static str, secret: bool, form: &Form<T>) -> Option<Option<T>> {
        let Some(text) = self.given(name) else {
            if secret && self.is_blank(name) {
                let problem = format!(
                    "expected {}, got a blank value: give the secret again, or leave the variable out",
                    form.expected()
                );
                self.fault(name, problem);
                return None;
            }
            return Some(None);
        };
        if form.ignores(text) {
            return Some(None);
        }
        if let Some(literal) = placeholder(text) {
            // A secret that holds more than the placeholder is not shown in part either.
            let shown = if !form.may_be_quoted() && literal != text {
                "a literal ${…}".to_owned()
            } else {
                format!("the literal {literal}")
            };
            let problem = format!(
                "expected {}, got {shown}: the platform left it in place, since it names no component \
                 or no variable of one that exists",
                form.expected()
            );
            self.fault(name, problem);
            return None;
        }
        match form.read(text) {
            Ok(value) => Some(Some(value)),
            Err(reason) => {
                let quoted = || form.may_be_quoted().then(|| format!("got {}", quoted(text)));
                let more = reason.or_else(quoted).map(|more| format!(", {more}")).unwrap_or_default();
                self.fault(name, format!("expected {}{more}", form.expected()));
                None
            }
        }
    }

    /// Reads a variable that has a default, which goes through the same form; `None` is a fault, already noted.
    pub(super) fn with_default<T>(
        &mut self,
        name: &'static str,
        default: &'static str,
        secret: bool,
        form: &Form<T>,
    ) -> Option<T> {
        match self.optional(name, secret, form)? {
            Some(value) => Some(value),
            None => form.read(default).ok(),
        }
    }
}

/// The first `${name}` of a text.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|at| from + at) {
        let name = &text[at + 2..];
        let end = name.find(|sign: char| !(sign.is_ascii_alphanumeric() || "._-".contains(sign)));
        match end {
            Some(end) if end > 0 && name[end..].starts_with('}') => return Some(&text[at..at + 2 + end + 1]),
            _ => from = at + 2,
        }
    }
    None
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
    fn a_blank_secret_is_a_fault_and_a_blank_word_is_none() {
        let form = Form::new("a word", |text| Some(text.to_owned()));
        let mut source = Source::new(pairs(&[("A", " "), ("B", ""), ("C", ""), ("C", "x")]));
        assert_eq!(source.optional("A", true, &form), None);
        assert_eq!(source.optional("B", false, &form), Some(None));
        assert_eq!(source.optional("C", true, &form), Some(Some("x".to_owned())));
        assert_eq!(source.optional("D", true, &form), Some(None));
        assert_eq!(source.into_faults().len(), 1);
    }

    #[test]
    fn a_placeholder_is_named_unless_it_is_part_of_a_secret() {
        let form = Form::new("a word", |text| Some(text.to_owned())).hiding(String::clone);
        let mut source = Source::new(pairs(&[("A", "${db.URL}"), ("B", "hush${b_x}"), ("C", "a${}b${c d}$${")]));
        assert_eq!(source.optional("A", true, &form), None);
        assert_eq!(source.optional("B", true, &form), None);
        assert!(source.optional("C", true, &form).is_some_and(|value| value.is_some()));
        let faults: Vec<String> = source.into_faults().iter().map(ToString::to_string).collect();
        assert!(faults.len() == 2 && faults[0].contains("${db.URL}") && !faults[1].contains("b_x"), "{faults:?}");
    }

    #[test]
    fn a_refused_value_stays_on_one_short_line() {
        let text = format!("a\nb{}", "ü".repeat(500));
        let line = quoted(&text);
        assert!(!line.contains('\n') && line.chars().count() < 80, "{line}");
    }
}
