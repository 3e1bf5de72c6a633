//! A YAML file as JSON values that keep their lines.
//!
//! Each value is found by its JSON pointer. Tags, duplicate keys and a second document are refused.

use std::{collections::HashMap, path::Path};

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};

/// A file that was understood.
#[derive(Debug, Clone)]
pub struct Document {
    /// What faults are reported under.
    pub name: String,
    /// The whole text, comments included.
    pub text: String,
    /// The values.
    pub root: Value,
    lines: HashMap<String, usize>,
}

/// Something wrong at a line of a file; it prints as `file:line: problem`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub problem: String,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read (then at line 1) or is not the YAML of one document.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Fault {
            file: name.clone(),
            line: 1,
            problem: format!("cannot be read: {error}"),
        })?;
        Self::parse(&name, &text)
    }

    /// Reads a text; `name` is what faults are reported under.
    ///
    /// # Errors
    /// When the text is not the YAML of one document, or holds a tag.
    pub fn parse(name: &str, text: &str) -> Result<Self, Fault> {
        let fault = |line: usize, problem: String| Fault { file: name.to_owned(), line, problem };
        let documents = MarkedYaml::load_from_str(text)
            .map_err(|error| fault(error.marker().line(), format!("is no YAML: {}", error.info())))?;
        let root = match &documents[..] {
            [root] => root,
            [] => return Err(fault(1, "expected a document".to_owned())),
            [_, second, ..] => {
                return Err(fault(second.span.start.line(), "expected a single document".to_owned()));
            }
        };
        let mut lines = HashMap::new();
        let root = json(root, "", &mut lines).map_err(|(line, problem)| fault(line, problem.to_owned()))?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), root, lines })
    }

    /// The line of a value, or of its key if it has one. A pointer that leads nowhere gets the line of the nearest
    /// value above it: something is missing there.
    #[must_use]
    pub fn line(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return 1,
            }
        }
    }

    /// A fault at a value.
    #[must_use]
    pub fn fault(&self, pointer: &str, problem: impl Into<String>) -> Fault {
        Fault { file: self.name.clone(), line: self.line(pointer), problem: problem.into() }
    }
}

/// The pointer of an entry.
#[must_use]
pub fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The JSON of a node; `lines` gets the line of each value by its pointer. The error is a line and a problem.
fn json(
    node: &MarkedYaml<'_>,
    pointer: &str,
    lines: &mut HashMap<String, usize>,
) -> Result<Value, (usize, &'static str)> {
    let line = node.span.start.line();
    // An entry of a mapping has the line of its key already.
    lines.entry(pointer.to_owned()).or_insert(line);
    Ok(match &node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(flag)) => (*flag).into(),
        YamlData::Value(Scalar::Integer(number)) => (*number).into(),
        YamlData::Value(Scalar::FloatingPoint(number)) => number.into_inner().into(),
        YamlData::Value(Scalar::String(text)) => text.as_ref().into(),
        YamlData::Sequence(items) => {
            let items = items.iter().enumerate().map(|(at, item)| json(item, &join(pointer, &at.to_string()), lines));
            items.collect::<Result<_, _>>()?
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let line = key.span.start.line();
                let name = key.data.as_str().ok_or((line, "expected a word as key"))?;
                let pointer = join(pointer, name);
                lines.insert(pointer.clone(), line);
                map.insert(name.to_owned(), json(value, &pointer, lines)?);
            }
            map.into()
        }
        _ => return Err((line, "expected no tag")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_lines() {
        let text = "# a comment\nname: buoy\nservices:\n  - name: web\n    http_port: 8080\n    envs:\n\
                    \x20     - {key: A, value: \"1\"}\n";
        let document = Document::parse("app.yaml", text).expect("it is YAML");
        assert_eq!(
            document.root,
            json!({
                "name": "buoy",
                "services": [{"name": "web", "http_port": 8080, "envs": [{"key": "A", "value": "1"}]}],
            })
        );
        for (pointer, line) in [
            ("/name", 2),
            ("/services", 3),
            ("/services/0", 4),
            ("/services/0/http_port", 5),
            ("/services/0/envs/0/value", 7),
            ("/services/0/envs/0/scope", 7),
            ("/services/0/alerts/3/rule", 4),
            ("", 2),
        ] {
            assert_eq!(document.line(pointer), line, "{pointer}");
        }
    }

    #[test]
    fn what_would_be_read_in_two_ways_is_refused() {
        for (text, line, word) in [
            ("a: 1\nb: 2\na: 3\n", 3, "duplicated"),
            ("a: !own {}\n", 1, "tag"),
            ("1: a\n", 1, "key"),
            ("a: 1\n---\nb: 1\n", 3, "single"),
            ("a: [1\nb: 2\n", 2, "YAML"),
            ("", 1, "document"),
        ] {
            let fault = Document::parse("f", text).expect_err(text);
            assert!(fault.problem.contains(word), "{fault}");
            assert_eq!(fault.line, line, "{fault}");
        }
    }

    #[test]
    fn quotes_make_words_of_numbers() {
        let document = Document::parse("f", "[17, \"17\", 1.5, -3, true, ~, 1.2.3, db]").expect("it is YAML");
        assert_eq!(document.root, json!([17, "17", 1.5, -3, true, null, "1.2.3", "db"]));
    }
}
