//! Bitly: the list of a group's links by its API, its summaries of clicks, and the CSV of its pages.

use super::{
    Fault, Fields, Item, Link, Name, Reading, Service,
    fields::{address, tags},
};

pub(super) const SERVICE: Service = Service {
    name: "bitly",
    folds: false,
    knows: |fields| {
        fields.has("custombitlinks")
            || fields.have(&["bitlink", "totalclicks"])
            || fields.have(&["link", "customlink", "destinationurl"])
            || fields.have(&["link", "destinationurl", "engagements"])
    },
    read,
    never: "",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    if fields.has("totalclicks") {
        let (domain, code) = address(&fields.text(&["bitlink"]).unwrap_or_default());
        let code = code.ok_or_else(|| Fault::new("bitlink", "names no link"))?;
        return Ok(vec![Item::Count(Name::Code(domain, code), reading.count(fields, &["totalclicks"])?)]);
    }
    let target = fields.owned(&["longurl", "destinationurl"]).ok_or_else(|| Fault::new("long_url", "is missing"))?;
    let (domain, code) = address(&fields.text(&["link", "id"]).unwrap_or_default());
    let mut listed = fields.list("tags");
    if listed.is_empty() {
        listed = tags(fields.text(&["tags"]), &[',']);
    }
    let link = Link {
        domain,
        code: Some(code.ok_or_else(|| Fault::new("link", "has no code"))?),
        target,
        title: fields.owned(&["title"]),
        tags: listed,
        created_at: reading.time(fields, &["createdat", "datecreated"])?,
        clicks: reading.count(fields, &["engagements", "clicks"])?,
        // Bitly hides an archived link from its list and still redirects it.
        left: fields.left(&[("archived", "that it is archived"), ("deeplinks", "its deep links")]),
        ..Link::default()
    };
    let mut custom = fields.list("custombitlinks");
    custom.extend(fields.owned(&["customlink"]));
    let mut items = Item::link(link.clone());
    for other in custom {
        let (domain, code) = address(&other);
        if code.is_some() && (&domain, &code) != (&link.domain, &link.code) {
            // The count is one for both; it goes to the code that Bitly made.
            items.push(Item::Link(Box::new(Link { domain, code, clicks: 0, ..link.clone() })));
        }
    }
    Ok(items)
}
