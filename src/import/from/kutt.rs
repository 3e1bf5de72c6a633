//! Kutt: answers of its API, and copies of the tables `links` and `visits`.

use serde_json::Value;

use super::{Fault, Fields, Item, Link, Name, Password, Reading, Service, Sum};
use crate::domain::Dimension;

pub(super) const SERVICE: Service = Service {
    name: "kutt",
    folds: false,
    knows: |fields| {
        fields.have(&["address", "target", "visitcount"]) || fields.have(&["linkid", "total", "referrers", "countries"])
    },
    read,
    never: "",
};

/// Columns that count visits by browser and by system, and what buoy calls these.
const COUNTED: [(&str, Dimension, &str); 12] = [
    ("brchrome", Dimension::Browser, "Chrome"),
    ("bredge", Dimension::Browser, "Edge"),
    ("brfirefox", Dimension::Browser, "Firefox"),
    ("brie", Dimension::Browser, "Internet Explorer"),
    ("bropera", Dimension::Browser, "Opera"),
    ("brsafari", Dimension::Browser, "Safari"),
    ("osandroid", Dimension::Os, "Android"),
    ("osios", Dimension::Os, "iOS"),
    ("oslinux", Dimension::Os, "Linux"),
    ("osmacos", Dimension::Os, "macOS"),
    ("oswindows", Dimension::Os, "Windows"),
    ("language", Dimension::Language, ""),
];

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    if fields.has("linkid") {
        return sum(fields, reading);
    }
    let target = fields.owned(&["target"]).ok_or_else(|| Fault::new("target", "is empty"))?;
    let password = match fields.text(&["password"]) {
        Some(hash) if hash.starts_with("$2") => Password::Hash(hash.into_owned()),
        Some(said) if said != "false" && said != "f" => Password::Hidden,
        _ => Password::None,
    };
    Ok(Item::link(Link {
        // The table knows a domain by its number alone.
        domain: fields.owned(&["domain"]).or_else(|| fields.text(&["domainid"]).map(|id| format!("domain-{id}"))),
        code: fields.owned(&["address"]),
        id: fields.owned(&["id"]),
        target,
        title: fields.owned(&["description"]),
        created_at: reading.time(fields, &["createdat"])?,
        updated_at: reading.time(fields, &["updatedat"])?,
        valid_until: reading.time(fields, &["expirein"])?,
        disabled_reason: fields.flag(&["banned"]).then(|| "banned in Kutt".to_owned()),
        password,
        clicks: reading.count(fields, &["visitcount"])?,
        ..Link::default()
    }))
}

fn sum(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let link = fields.owned(&["linkid"]).ok_or_else(|| Fault::new("link_id", "is empty"))?;
    let at = reading.time(fields, &["createdat"])?.ok_or_else(|| Fault::new("created_at", "is empty"))?;
    let mut values = Vec::new();
    for (column, dimension, value) in COUNTED {
        if fields.has(column) {
            values.push((dimension, value.to_owned(), reading.count(fields, &[column])?));
        }
    }
    for (column, dimension) in [("referrers", Dimension::Referrer), ("countries", Dimension::Country)] {
        for (value, count) in object(fields, column)? {
            if !value.eq_ignore_ascii_case("direct") && !value.eq_ignore_ascii_case("unknown") {
                values.push((dimension, value.replace("[dot]", "."), count));
            }
        }
    }
    values.retain(|(_, value, count)| *count > 0 && !value.is_empty());
    Ok(vec![Item::Visits(Sum { of: Name::Id(link), at, visits: reading.count(fields, &["total"])?, values })])
}

/// Counts by name, an object or the text of one.
fn object(fields: &Fields, column: &'static str) -> Result<Vec<(String, u64)>, Fault> {
    let fault = || Fault::new(column, "is no object of counts");
    let value = match fields.value(column) {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| fault())?,
        Some(value) => value.clone(),
    };
    let Value::Object(members) = value else { return Err(fault()) };
    members.into_iter().map(|(name, count)| Ok((name, count.as_u64().ok_or_else(fault)?))).collect()
}
