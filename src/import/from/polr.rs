//! Polr: a dump of its tables `links` and `clicks`.

use super::{
    Fault, Fields, Item, Link, Name, Password, Reading, Service, Visit,
    row::{country, referrer},
};

pub(super) const SERVICE: Service = Service {
    name: "polr",
    folds: true,
    knows: |fields| {
        fields.have(&["shorturl", "longurl", "secretkey"]) || fields.have(&["linkid", "refererhost", "useragent"])
    },
    read,
    never: "the addresses of creators stay behind",
};

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    if fields.have(&["linkid", "useragent"]) {
        return visit(fields, reading);
    }
    if !fields.have(&["shorturl", "longurl"]) {
        // Another table of the dump.
        return Ok(Vec::new());
    }
    let code = fields.owned(&["shorturl"]).ok_or_else(|| Fault::new("short_url", "is empty"))?;
    let target = fields.owned(&["longurl"]).ok_or_else(|| Fault::new("long_url", "is empty"))?;
    let has_secret = fields.text(&["secretkey"]).is_some();
    Ok(Item::link(Link {
        code: Some(code),
        id: fields.owned(&["id"]),
        target,
        owner: fields.owned(&["creator"]),
        created_at: reading.time(fields, &["createdat"])?,
        updated_at: reading.time(fields, &["updatedat"])?,
        is_off: fields.flag(&["isdisabled"]),
        // A link with a secret is followed by code and secret, which no visitor here could send.
        password: if has_secret { Password::Hidden } else { Password::None },
        clicks: reading.count(fields, &["clicks"])?,
        ..Link::default()
    }))
}

fn visit(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let link = fields.owned(&["linkid"]).ok_or_else(|| Fault::new("link_id", "is empty"))?;
    let at = reading.time(fields, &["createdat"])?.ok_or_else(|| Fault::new("created_at", "is empty"))?;
    Ok(vec![Item::Visit(Visit {
        of: Name::Id(link),
        at,
        agent: fields.owned(&["useragent"]),
        referrer: referrer(fields.owned(&["referer", "refererhost"])),
        address: fields.owned(&["ip"]),
        country: country(fields.owned(&["country"])),
    })])
}
