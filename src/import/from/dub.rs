//! Dub: its export of links, and the CSV that its importer takes.

use super::{
    Fault, Fields, Item, Link, Reading, Service,
    fields::{address, tags},
};

pub(super) const SERVICE: Service = Service {
    name: "dub",
    folds: true,
    knows: |fields| {
        fields.have(&["shortlink", "destinationurl", "linkid"])
            || fields.have(&["shortlink", "destinationurl"])
            || fields.have(&["link", "url"]) && (fields.has("description") || fields.has("createdat"))
    },
    read,
    never: "",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let target = fields.owned(&["destinationurl", "url"]).ok_or_else(|| Fault::new("Destination URL", "is empty"))?;
    let (domain, code) = address(&fields.text(&["shortlink", "link"]).unwrap_or_default());
    let is_root = domain.is_some() && code.is_none();
    if is_root {
        return Err(Fault::new("Short link", "is a domain's root, which no link can be"));
    }
    Ok(Item::link(Link {
        domain,
        code,
        target,
        title: fields.owned(&["title"]),
        notes: fields.owned(&["description", "comments"]),
        tags: tags(fields.text(&["tags"]), &[',']),
        created_at: reading.time(fields, &["createdat"])?,
        updated_at: reading.time(fields, &["updatedat"])?,
        clicks: reading.count(fields, &["clicks"])?,
        left: fields.left(&[("archived", "that it is archived"), ("leads", "leads"), ("sales", "sales")]),
        ..Link::default()
    }))
}
