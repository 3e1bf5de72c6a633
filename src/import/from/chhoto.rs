//! Chhoto: its SQLite file, a dump of it, and the list of links by its API. It keeps no times of creation.

use super::{Fault, Fields, Item, Link, Reading, Service};

pub(super) const SERVICE: Service = Service {
    name: "chhoto",
    folds: false,
    knows: |fields| fields.have(&["longurl", "shorturl", "hits"]) || fields.have(&["shortlink", "longlink", "hits"]),
    read,
    never: "",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    if !fields.has("longurl") && !fields.has("longlink") {
        return Ok(Vec::new());
    }
    let target = fields.owned(&["longurl", "longlink"]).ok_or_else(|| Fault::new("long_url", "is empty"))?;
    let code = fields.owned(&["shorturl", "shortlink"]).ok_or_else(|| Fault::new("short_url", "is empty"))?;
    Ok(Item::link(Link {
        code: Some(code),
        target,
        notes: fields.owned(&["notes"]),
        valid_until: reading.end(fields, &["expirytime"])?,
        clicks: reading.count(fields, &["hits"])?,
        ..Link::default()
    }))
}
