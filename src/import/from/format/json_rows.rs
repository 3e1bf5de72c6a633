//! JSON: a list of objects, an object that holds such a list, or one object a line. Rows are met one by one; a list is
//! never whole in memory.

use std::{cell::RefCell, fmt, io, ops::ControlFlow, rc::Rc, sync::Arc};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Sink, Text};
use crate::import::from::fields::{Fields, plain};

/// Keys whose value holds rows.
const HOLDERS: [&str; 5] = ["links", "data", "shortUrls", "visits", "redirectRules"];
/// What ends the parser when the sink has had enough.
const ENOUGH: &str = "enough rows were read";

/// What rows go through.
struct Rows<'r, 's> {
    sink: &'r mut Sink<'s>,
    nth: u64,
    is_enough: bool,
    text: Rc<RefCell<Text>>,
}

/// The text, which the rows tell of their ends.
struct Shared(Rc<RefCell<Text>>);

impl io::Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

/// Reads rows.
pub(super) fn read(text: Text, sink: &mut Sink<'_>) -> Result<(), String> {
    let text = Rc::new(RefCell::new(text));
    let mut rows = Rows { sink, nth: 0, is_enough: false, text: Rc::clone(&text) };
    let buffered = io::BufReader::with_capacity(64 << 10, Shared(text));
    let mut parser = serde_json::Deserializer::from_reader(buffered);
    while parser.end().is_err() {
        match Walk(&mut rows).deserialize(&mut parser) {
            Err(_) if rows.is_enough => return Ok(()),
            Err(error) => return Err(format!("cannot be read at row {}: {error}", rows.nth + 1)),
            Ok(()) => {}
        }
    }
    Ok(())
}

impl Rows<'_, '_> {
    fn push(&mut self, members: serde_json::Map<String, Value>) -> ControlFlow<()> {
        self.text.borrow_mut().row_done();
        self.nth += 1;
        let pairs = members.into_iter().map(|(name, value)| (plain(&name).into(), value)).collect();
        let flow = (self.sink)(Fields::new(self.nth, Arc::default(), pairs));
        self.is_enough |= flow.is_break();
        flow
    }
}

/// Walks through what holds rows.
struct Walk<'w, 'r, 's>(&'w mut Rows<'r, 's>);

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of links or visits")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(members) = items.next_element::<serde_json::Map<String, Value>>()? {
            if self.0.push(members).is_break() {
                return Err(A::Error::custom(ENOUGH));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let (mut own, mut holds) = (serde_json::Map::new(), false);
        while let Some(name) = members.next_key::<String>()? {
            let is_numbered = name.strip_prefix("link_").is_some_and(|rest| rest.parse::<u64>().is_ok());
            if is_numbered || HOLDERS.contains(&name.as_str()) {
                holds = true;
                members.next_value_seed(Walk(self.0))?;
            } else if holds {
                members.next_value::<IgnoredAny>()?;
            } else {
                own.insert(name, members.next_value()?);
            }
        }
        // An object that holds no rows is one.
        if !holds && !own.is_empty() && self.0.push(own).is_break() {
            return Err(A::Error::custom(ENOUGH));
        }
        Ok(())
    }
}
