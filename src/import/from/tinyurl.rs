//! TinyURL: the lists of available and archived links by its API.

use super::{Fault, Fields, Item, Link, Reading, Service};

pub(super) const SERVICE: Service = Service {
    name: "tinyurl",
    folds: false,
    knows: |fields| fields.have(&["alias", "url"]) && (fields.has("tinyurl") || fields.has("domain")),
    read,
    never: "",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let target = fields.owned(&["url"]).ok_or_else(|| Fault::new("url", "is missing"))?;
    let code = fields.owned(&["alias"]).ok_or_else(|| Fault::new("alias", "is missing"))?;
    Ok(Item::link(Link {
        domain: fields.owned(&["domain"]),
        code: Some(code),
        target,
        title: fields.owned(&["description"]),
        tags: fields.list("tags"),
        created_at: reading.time(fields, &["createdat"])?,
        valid_until: reading.time(fields, &["expiresat"])?,
        // What was deleted there must not lead anywhere here; its code stays taken.
        is_off: fields.flag(&["deleted"]),
        clicks: reading.count(fields, &["hits"])?,
        left: fields.left(&[("archived", "that it is archived"), ("deleted", "that it was deleted: it is inactive")]),
        ..Link::default()
    }))
}
