//! YOURLS: a dump of `yourls_url` and `yourls_log`, the statistics of its API, and the CSV of a plugin.

use super::{
    Fault, Fields, Item, Link, Name, Reading, Service, Visit,
    fields::{address, code_or_address},
    row::{country, referrer},
};

pub(super) const SERVICE: Service = Service {
    name: "yourls",
    folds: false,
    knows: |fields| {
        fields.have(&["keyword", "url", "clicks"])
            || fields.have(&["shorturl", "clicktime"])
            || fields.have(&["shorturl", "url", "timestamp", "clicks"])
            || fields.have(&["source", "target", "hits"])
    },
    read,
    never: "the addresses of creators stay behind",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    if fields.has("clicktime") {
        return visit(fields, reading);
    }
    let (domain, code, target) = if fields.has("keyword") {
        (None, fields.owned(&["keyword"]), fields.owned(&["url"]))
    } else if fields.has("shorturl") {
        let (domain, code) = address(&fields.text(&["shorturl"]).unwrap_or_default());
        (domain, code, fields.owned(&["url"]))
    } else if fields.has("source") {
        let (domain, code) = code_or_address(&fields.text(&["source"]).unwrap_or_default());
        (domain, code, fields.owned(&["target"]))
    } else {
        // Another table of the dump.
        return Ok(Vec::new());
    };
    // Titles were escaped before they were stored.
    let title = fields.text(&["title"]).map(|title| html_escape::decode_html_entities(&*title).into_owned());
    Ok(Item::link(Link {
        domain,
        code: Some(code.ok_or_else(|| Fault::new("keyword", "is empty"))?),
        target: target.ok_or_else(|| Fault::new("url", "is empty"))?,
        title,
        created_at: reading.time(fields, &["timestamp"])?,
        clicks: reading.count(fields, &["clicks", "hits"])?,
        ..Link::default()
    }))
}

fn visit(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let code = fields.owned(&["shorturl"]).ok_or_else(|| Fault::new("shorturl", "is empty"))?;
    let at = reading.time(fields, &["clicktime"])?.ok_or_else(|| Fault::new("click_time", "is empty"))?;
    Ok(vec![Item::Visit(Visit {
        of: Name::Code(None, code),
        at,
        agent: fields.owned(&["useragent"]),
        referrer: referrer(fields.owned(&["referrer"])),
        address: fields.owned(&["ipaddress"]),
        country: country(fields.owned(&["countrycode"])),
    })])
}
