//! What became of a link, and who did it, newest first; its clicks are in the statistics.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::{fault::Fault, format::When, visit::Visit};
use crate::domain::clock::Timestamp;

/// Entries that a page shows at most.
const SHOWN: usize = 50;
/// Events of a kind that are read.
const READ: usize = 1_000;

#[derive(Debug, Deserialize)]
struct Event {
    id: i64,
    event_type: String,
    timestamp: Timestamp,
    details: Map<String, Value>,
}

/// One thing that happened.
pub(in crate::console) struct Entry {
    pub(in crate::console) what: String,
    pub(in crate::console) value: String,
    pub(in crate::console) by: String,
    pub(in crate::console) when: When,
}

/// The history of a link.
pub(super) async fn history(visit: &Visit, id: i64) -> Result<Vec<Entry>, Fault> {
    let mut events = Vec::new();
    for kind in ["created", "updated"] {
        let path = format!("/events?url_id={id}&event_type={kind}&per_page={READ}");
        events.extend(visit.read::<Vec<Event>>(&path).await?);
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.id));
    events.truncate(SHOWN);
    Ok(events.into_iter().map(|event| Entry::of(event, visit)).collect())
}

impl Entry {
    fn of(event: Event, visit: &Visit) -> Self {
        let Event { event_type, timestamp, details, .. } = event;
        let text = |name: &str| details.get(name).map(shown).unwrap_or_default();
        let (what, value) = match event_type.as_str() {
            "created" => ("created".to_owned(), text("original_url")),
            _ => (text("field").replace('_', " "), text("new_value")),
        };
        let by = match text("by") {
            by if by.is_empty() => "someone".to_owned(),
            by if by == "admin" => "the administrator".to_owned(),
            by => by.replace("key:", "key "),
        };
        Self { what, value, by, when: When::new(timestamp, visit.now()) }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
