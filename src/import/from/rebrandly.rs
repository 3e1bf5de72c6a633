//! Rebrandly: the list of links by its API, and the CSV that scripts make of it.

use super::{
    Fault, Fields, Item, Link, Reading, Service,
    fields::{address, tags},
};

pub(super) const SERVICE: Service = Service {
    name: "rebrandly",
    folds: false,
    knows: |fields| fields.have(&["slashtag", "destination"]),
    read,
    never: "",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let target = fields.owned(&["destination"]).ok_or_else(|| Fault::new("destination", "is missing"))?;
    let (host, path) = fields.text(&["shorturl"]).map_or((None, None), |text| address(&text));
    let domain = fields.owned(&["domain.fullName", "domainfullname", "domain"]);
    let mut listed = fields.list("tags");
    if listed.is_empty() {
        listed = tags(fields.text(&["tags"]), &[',']);
    }
    Ok(Item::link(Link {
        domain: domain.or(host),
        code: fields.owned(&["slashtag"]).or(path),
        target,
        title: fields.owned(&["title"]),
        notes: fields.owned(&["description"]),
        tags: listed,
        created_at: reading.time(fields, &["createdat"])?,
        updated_at: reading.time(fields, &["updatedat"])?,
        forward_query: fields.value("forwardparameters").and_then(serde_json::Value::as_bool),
        is_off: fields.text(&["status"]).is_some_and(|status| !status.eq_ignore_ascii_case("active")),
        clicks: reading.count(fields, &["clicks"])?,
        left: fields.left(&[("favourite", "that it is a favourite")]),
        ..Link::default()
    }))
}
