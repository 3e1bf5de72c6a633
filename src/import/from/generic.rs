//! Any CSV: columns by the names that spreadsheets and services give them, others by `--map`.

use super::{
    Fault, Fields, Item, Link, Password, Reading, Service,
    fields::{code_or_address, tags},
};

pub(super) const SERVICE: Service =
    Service { name: "csv", folds: false, knows: |fields| TARGET.iter().any(|name| fields.has(name)), read, never: "" };

const TARGET: [&str; 10] = [
    "longurl",
    "originalurl",
    "destination",
    "destinationurl",
    "longlink",
    "target",
    "targeturl",
    "url",
    "redirecturl",
    "ziel",
];
const CODE: [&str; 11] =
    ["shortcode", "slug", "code", "alias", "keyword", "shorturl", "shortlink", "link", "short", "backhalf", "kurzlink"];
const TITLE: [&str; 3] = ["title", "name", "titel"];
const NOTES: [&str; 5] = ["notes", "note", "description", "comment", "comments"];
const TAGS: [&str; 4] = ["tags", "tag", "labels", "schlagwörter"];
const CLICKS: [&str; 6] = ["clicks", "hits", "visits", "totalclicks", "engagements", "klicks"];
const CREATED: [&str; 6] = ["created", "createdat", "datecreated", "creationdate", "createdon", "angelegt"];
const UPDATED: [&str; 3] = ["updated", "updatedat", "lastedit"];
const SINCE: [&str; 3] = ["validsince", "startsat", "startdate"];
const UNTIL: [&str; 5] = ["expiresat", "validuntil", "expires", "expiration", "expirydate"];
const LIMIT: [&str; 4] = ["maxclicks", "maxvisits", "clicklimit", "clickslimit"];
const PASSWORD: [&str; 3] = ["passwordprotected", "haspassword", "password"];
const OTHERS: [&str; 8] =
    ["domain", "status", "isactive", "active", "expiredurl", "redirecttype", "redirectstatus", "owner"];

fn read(fields: &Fields, reading: &Reading) -> Result<Vec<Item>, Fault> {
    let target = fields.owned(&TARGET).ok_or_else(|| Fault::new("Long URL", "is empty"))?;
    let (host, code) = fields.text(&CODE).map_or((None, None), |text| code_or_address(&text));
    let is_off = match fields.text(&["status", "isactive", "active"]) {
        Some(status) => !["active", "enabled", "true", "1", "yes", "live", "on", "t"]
            .iter()
            .any(|on| status.eq_ignore_ascii_case(on)),
        None => false,
    };
    let is_protected = fields
        .text(&PASSWORD)
        .is_some_and(|said| !["no", "false", "0", "f", "n"].iter().any(|no| said.eq_ignore_ascii_case(no)));
    let limit = reading.count(fields, &LIMIT)?;
    Ok(Item::link(Link {
        domain: fields.owned(&["domain"]).or(host),
        code: code.filter(|code| !code.is_empty()),
        target,
        title: fields.owned(&TITLE),
        notes: fields.owned(&NOTES),
        tags: tags(fields.text(&TAGS), &[';', ',', '|']),
        owner: fields.owned(&["owner"]),
        created_at: reading.time(fields, &CREATED)?,
        updated_at: reading.time(fields, &UPDATED)?,
        valid_since: reading.end(fields, &SINCE)?,
        valid_until: reading.end(fields, &UNTIL)?,
        expired_url: fields.owned(&["expiredurl"]),
        max_clicks: (limit > 0).then_some(limit),
        redirect_status: fields.text(&["redirecttype", "redirectstatus"]).and_then(|status| status.parse().ok()),
        is_off,
        password: if is_protected { Password::Hidden } else { Password::None },
        clicks: reading.count(fields, &CLICKS)?,
        left: unknown(fields),
        ..Link::default()
    }))
}

/// The columns that hold something and that no name here is known for.
fn unknown(fields: &Fields) -> Vec<String> {
    let groups: [&[&str]; 12] =
        [&TARGET, &CODE, &TITLE, &NOTES, &TAGS, &CLICKS, &CREATED, &UPDATED, &SINCE, &UNTIL, &LIMIT, &PASSWORD];
    let is_known = |name: &str| OTHERS.contains(&name) || groups.iter().any(|group| group.contains(&name));
    fields.names().filter(|name| !is_known(name) && fields.text(&[name]).is_some()).map(str::to_owned).collect()
}
