//! tiny.cc: a file for bulk creation, three quoted columns by semicolons without a header.

use super::{Fault, Fields, Item, Link, Reading, Service, fields::code_or_address};

pub(super) const SERVICE: Service =
    Service { name: "tinycc", folds: false, knows: |fields| fields.has("tinyccurl"), read, never: "" };

fn read(fields: &Fields, _: &Reading) -> Result<Vec<Item>, Fault> {
    let target = fields.owned(&["tinyccurl"]).ok_or_else(|| Fault::new("", "has no address"))?;
    let (domain, code) = fields.text(&["tinycccode"]).map_or((None, None), |text| code_or_address(&text));
    Ok(Item::link(Link { domain, code, target, notes: fields.owned(&["tinyccnote"]), ..Link::default() }))
}
