//! Shlink: the exports of its web client, the CSV of its own importer, and answers of REST v3.

use std::borrow::Cow;

use super::{
    Fault, Fields, Item, Link, Name, Reading, Service, Visit,
    fields::{address, tags},
    row::{country, referrer},
};

pub(super) const SERVICE: Service = Service {
    name: "shlink",
    folds: false,
    knows: |fields| {
        fields.have(&["longurl", "shortcode"]) && !fields.has("id")
            || fields.have(&["visitedurl", "useragent"])
            || fields.have(&["longurl", "conditions"])
            || fields.have(&["longurl", "shorturl", "domain"]) && !fields.has("clicks")
    },
    read,
    never: "",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    if fields.has("visitedurl") {
        return visit(fields, reading);
    }
    if fields.has("conditions") {
        return Err(Fault::new("conditions", "redirect rules have no place in buoy"));
    }
    let target = fields.owned(&["longurl"]).ok_or_else(|| Fault::new("longUrl", "is missing"))?;
    let (host, path) = fields.text(&["shorturl"]).map_or((None, None), |text| address(&text));
    let known: &[(&str, &str)] = &[("hasredirectrules", "its redirect rules")];
    Ok(Item::link(Link {
        domain: fields.owned(&["domain"]).or(host),
        code: fields.owned(&["shortcode"]).or(path),
        target,
        title: fields.owned(&["title"]),
        tags: all_tags(fields),
        created_at: reading.time(fields, &["createdat", "datecreated"])?,
        valid_since: when(fields, reading, "validSince")?,
        valid_until: when(fields, reading, "validUntil")?,
        max_clicks: fields.value("meta.maxVisits").and_then(serde_json::Value::as_u64),
        forward_query: fields.value("forwardquery").and_then(serde_json::Value::as_bool),
        crawlable: fields.value("crawlable").and_then(serde_json::Value::as_bool),
        clicks: match fields.value("visitssummary.total").and_then(serde_json::Value::as_u64) {
            Some(total) => total,
            None => reading.count(fields, &["visits", "visitscount"])?,
        },
        left: fields.left(known),
        ..Link::default()
    }))
}

/// The web client separates tags by pipes, the importer's CSV by commas if there is one.
fn all_tags(fields: &Fields) -> Vec<String> {
    let listed = fields.list("tags");
    let separators: &[char] = if fields.has("visits") { &['|'] } else { &[',', '|'] };
    if listed.is_empty() { tags(fields.text(&["tags"]), separators) } else { listed }
}

/// A time of the object `meta`.
fn when(
    fields: &Fields,
    reading: &Reading,
    key: &'static str,
) -> Result<Option<crate::domain::clock::Timestamp>, Fault> {
    let Some(value) = fields.value(&format!("meta.{key}")) else { return Ok(None) };
    reading.time(&Fields::new(fields.nth, fields.table.clone(), vec![(key.into(), value.clone())]), &[key])
}

fn visit(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let (domain, code) = fields.text(&["visitedurl"]).map_or((None, None), |text| address(&text));
    let code = code.ok_or_else(|| Fault::new("visitedUrl", "names no link"))?;
    let at = reading.time(fields, &["date"])?.ok_or_else(|| Fault::new("date", "is missing"))?;
    let location = fields.value("visitlocation.countryCode").and_then(serde_json::Value::as_str).map(str::to_owned);
    Ok(vec![Item::Visit(Visit {
        of: Name::Code(domain, code),
        at,
        agent: fields.owned(&["useragent"]),
        referrer: referrer(fields.text(&["referer", "referrer"]).map(Cow::into_owned)),
        address: None,
        country: country(location.or_else(|| fields.owned(&["country"]))),
    })])
}
