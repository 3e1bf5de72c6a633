//! Sink: its export of links.

use super::{Fault, Fields, Item, Link, Password, Reading, Service};

pub(super) const SERVICE: Service = Service {
    name: "sink",
    folds: true,
    knows: |fields| fields.have(&["slug", "url", "createdat"]) && fields.has("id"),
    read,
    never: "",
};

/// What has no place here.
const KNOWN: [(&str, &str); 7] = [
    ("geo", "its targets by country"),
    ("apple", "its target for iOS"),
    ("google", "its target for Android"),
    ("cloaking", "cloaking"),
    ("unsafe", "that it is marked unsafe"),
    ("image", "its picture"),
    ("description", "its description"),
];

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let target = fields.owned(&["url"]).ok_or_else(|| Fault::new("url", "is missing"))?;
    let code = fields.owned(&["slug"]).ok_or_else(|| Fault::new("slug", "is missing"))?;
    let password = match fields.text(&["password"]) {
        Some(hash) if hash.starts_with("sink-pwd:v1:") => Password::Hash(hash.into_owned()),
        Some(_) => Password::Hidden,
        None => Password::None,
    };
    Ok(Item::link(Link {
        code: Some(code),
        target,
        title: fields.owned(&["title"]),
        notes: fields.owned(&["comment"]),
        tags: fields.list("tags"),
        created_at: reading.time(fields, &["createdat"])?,
        updated_at: reading.time(fields, &["updatedat"])?,
        valid_until: reading.end(fields, &["expiration"])?,
        forward_query: fields.value("redirectwithquery").and_then(serde_json::Value::as_bool),
        password,
        left: fields.left(&KNOWN),
        ..Link::default()
    }))
}
