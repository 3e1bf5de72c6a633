//! golink: its export of links, one JSON object a line, and its counts by the minute, three columns without a header.

use super::{Fault, Fields, Item, Link, Name, Reading, Service, Sum};

pub(super) const SERVICE: Service = Service {
    name: "golink",
    folds: true,
    knows: |fields| fields.have(&["short", "long"]) || fields.have(&["golinkname", "golinktime", "golinkclicks"]),
    read,
    never: "",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    if fields.has("golinkname") {
        let name = fields.owned(&["golinkname"]).ok_or_else(|| Fault::new("", "has no name"))?;
        let at = reading.time(fields, &["golinktime"])?.ok_or_else(|| Fault::new("", "has no time"))?;
        let visits = reading.count(fields, &["golinkclicks"])?;
        return Ok(vec![Item::Visits(Sum { of: Name::Id(alike(&name)), at, visits, values: Vec::new() })]);
    }
    let target = fields.owned(&["long"]).ok_or_else(|| Fault::new("Long", "is missing"))?;
    let code = fields.owned(&["short"]).ok_or_else(|| Fault::new("Short", "is missing"))?;
    if target.contains("{{") {
        return Err(Fault::new("Long", "is a template, which has no place in buoy"));
    }
    Ok(Item::link(Link {
        id: Some(alike(&code)),
        code: Some(code),
        target,
        owner: fields.owned(&["owner"]),
        created_at: reading.time(fields, &["created"])?,
        updated_at: reading.time(fields, &["lastedit"])?,
        ..Link::default()
    }))
}

/// A name as golink compares it: in lower case, without dashes.
fn alike(name: &str) -> String {
    name.to_lowercase().replace('-', "")
}
