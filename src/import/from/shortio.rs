//! Short.io: the list of links by its API, and the table that a client of it writes.

use super::{
    Fault, Fields, Item, Link, Password, Reading, Service,
    fields::{address, tags},
};

pub(super) const SERVICE: Service = Service {
    name: "shortio",
    folds: false,
    knows: |fields| {
        fields.have(&["originalurl", "path"])
            && (fields.has("shorturl") || fields.has("idstring") || fields.has("domainid"))
    },
    read,
    never: "",
};

/// What has no place here.
const KNOWN: [(&str, &str); 14] = [
    ("archived", "that it is archived"),
    ("androidurl", "its target for Android"),
    ("iphoneurl", "its target for iOS"),
    ("spliturl", "the other target of its split"),
    ("splitpercent", "the share of its split"),
    ("cloaking", "cloaking"),
    ("foldername", "its folder"),
    ("folderid", "its folder"),
    ("utmsource", "its UTM source"),
    ("utmmedium", "its UTM medium"),
    ("utmcampaign", "its UTM campaign"),
    ("utmterm", "its UTM term"),
    ("utmcontent", "its UTM content"),
    ("ttl", "its lifetime"),
];

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let target = fields.owned(&["originalurl"]).ok_or_else(|| Fault::new("originalURL", "is missing"))?;
    let (domain, _) = fields.text(&["secureshorturl", "shorturl"]).map_or((None, None), |text| address(&text));
    let code = fields.owned(&["path"]).ok_or_else(|| Fault::new("path", "is empty: a domain's root can be no link"))?;
    let mut listed = fields.list("tags");
    if listed.is_empty() {
        listed = tags(fields.text(&["tags"]), &[',']);
    }
    let has_password = fields.flag(&["haspassword"]) || fields.text(&["password"]).is_some();
    let limit = reading.count(fields, &["clickslimit"])?;
    Ok(Item::link(Link {
        domain,
        code: Some(code),
        target,
        title: fields.owned(&["title"]),
        tags: listed,
        created_at: reading.time(fields, &["createdat"])?,
        updated_at: reading.time(fields, &["updatedat"])?,
        valid_until: reading.end(fields, &["expiresat", "expireat"])?,
        expired_url: fields.owned(&["expiredurl", "expireurl"]),
        max_clicks: (limit > 0).then_some(limit),
        redirect_status: fields.text(&["redirecttype"]).and_then(|status| status.parse().ok()),
        password: if has_password { Password::Hidden } else { Password::None },
        left: fields.left(&KNOWN),
        ..Link::default()
    }))
}
