//! A YAML file as values that remember their lines.
//!
//! The values are JSON's, since that is what the schema and the platform's own tools make of them. Each is found by its JSON
//! pointer. Anchors, tags and more than one document are refused: a spec that is read by people and tools spells things out.

use std::{collections::HashMap, path::Path};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, SpannedEventReceiver, StrInput};
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
    /// Where it cannot be read (then at line 1) or is not the YAML of one document.
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
    /// Where the text is not the YAML of one document, or uses what is refused here.
    pub fn parse(name: &str, text: &str) -> Result<Self, Fault> {
        let fault = |line: usize, problem: String| Fault { file: name.to_owned(), line, problem };
        let mut builder = Builder::default();
        let scanned: Result<(), ScanError> = Parser::<StrInput>::new_from_str(text).load(&mut builder, true);
        if let Err(error) = scanned {
            return Err(fault(error.marker().line(), format!("is no YAML: {}", error.info())));
        }
        if let Some((line, problem)) = builder.refused {
            return Err(fault(line, problem));
        }
        let root = builder.root.ok_or_else(|| fault(1, "expected a document".to_owned()))?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), root, lines: builder.lines })
    }

    /// The line of a value: for an entry of a mapping the line of its key. A pointer that leads nowhere gets the line of the
    /// nearest value above it, which is where something is missing.
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

/// Puts values together from the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Value>,
    lines: HashMap<String, usize>,
    refused: Option<(usize, String)>,
}

/// A collection whose end has not been seen.
struct Open {
    pointer: String,
    value: Collection,
}

enum Collection {
    List(Vec<Value>),
    /// A mapping, and the key whose value comes next.
    Map(Map<String, Value>, Option<String>),
}

impl Builder {
    fn refuse(&mut self, at: Marker, problem: impl Into<String>) {
        self.refused.get_or_insert((at.line(), problem.into()));
    }

    /// The pointer of the value that comes next, whose line is noted unless its key's already is.
    fn place(&mut self, at: Marker) -> String {
        let pointer = match self.open.last() {
            None => String::new(),
            Some(Open { pointer, value: Collection::List(items) }) => join(pointer, &items.len().to_string()),
            Some(Open { pointer, value: Collection::Map(_, key) }) => join(pointer, key.as_deref().unwrap_or_default()),
        };
        self.lines.entry(pointer.clone()).or_insert(at.line());
        pointer
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Marker) {
        if let Some(Open { pointer, value: Collection::Map(map, key @ None) }) = self.open.last_mut() {
            if map.contains_key(text) {
                self.refuse(at, format!("the key {text:?} appears twice"));
                return;
            }
            self.lines.insert(join(pointer, text), at.line());
            *key = Some(text.to_owned());
            return;
        }
        self.place(at);
        self.add(if style == ScalarStyle::Plain { plain(text) } else { Value::String(text.to_owned()) });
    }

    fn begin(&mut self, value: Collection, at: Marker) {
        if let Some(Open { value: Collection::Map(_, None), .. }) = self.open.last() {
            self.refuse(at, "expected a word as key");
        }
        let pointer = self.place(at);
        self.open.push(Open { pointer, value });
    }

    fn end(&mut self) {
        match self.open.pop().map(|open| open.value) {
            Some(Collection::List(items)) => self.add(Value::Array(items)),
            Some(Collection::Map(map, _)) => self.add(Value::Object(map)),
            None => {}
        }
    }

    fn add(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.value) {
            None => self.root = Some(value),
            Some(Collection::List(items)) => items.push(value),
            Some(Collection::Map(map, key)) => drop(map.insert(key.take().unwrap_or_default(), value)),
        }
    }
}

impl<'input> SpannedEventReceiver<'input> for Builder {
    fn on_event(&mut self, event: Event<'input>, span: Span) {
        let at = span.start;
        match event {
            Event::Alias(_) => self.refuse(at, "expected no alias: write the value out"),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                self.refuse(at, "expected no anchor: write the value out where it is used");
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                self.refuse(at, "expected no tag");
            }
            Event::DocumentStart(_) if self.root.is_some() => self.refuse(at, "expected a single document"),
            Event::Scalar(text, style, ..) => self.scalar(&text, style, at),
            Event::SequenceStart(..) => self.begin(Collection::List(Vec::new()), at),
            Event::MappingStart(..) => self.begin(Collection::Map(Map::new(), None), at),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => {}
        }
    }
}

/// A scalar without quotes, by the core schema of YAML 1.2. The words of YAML 1.1 (yes, off) are words here and booleans to older
/// parsers, so the schema's types catch them wherever they matter.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let looks_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if looks_like_a_number {
        if let Ok(number) = text.parse::<i64>() {
            return number.into();
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_lines() {
        let text = "# a comment\nname: buoy\nservices:\n  - name: web\n    http_port: 8080\n    envs:\n      - {key: A, value: \"1\"}\n";
        let document = Document::parse("app.yaml", text).expect("it is YAML");
        assert_eq!(
            document.root,
            json!({"name": "buoy", "services": [{"name": "web", "http_port": 8080, "envs": [{"key": "A", "value": "1"}]}]})
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
            ("a: 1\nb: 2\na: 3\n", 3, "twice"),
            ("a: &x 1\n", 1, "anchor"),
            ("a: !!str 1\n", 1, "tag"),
            ("a: 1\n---\nb: 1\n", 2, "single"),
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
