//! Bodies: JSON of every shape, and forms that upload a file.

use std::convert::Infallible;

use axum::{body::Body, extract::Request, http::header};
use buoy::{
    domain::{Details, EmailAddress, EventType, ShortCode, TargetUrl, Title, UrlId, UserId, Username},
    http::{
        field::{Faults, Field},
        upload,
    },
};
use bytes::Bytes;
use futures_util::stream;
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use crate::fuzz::{inputs, search::search};

const JSON: &[&str] = &[
    r#"{"username": "tidyriver02", "email": "tidyriver02@relay.cloud"}"#,
    r#"{"user_id": 1, "original_url": "https://opswise.net/1", "title": null, "short_code": "roadmap"}"#,
    r#"{"title": "Road\"map\u00fc", "is_active": false, "original_url": "https://x.example/ü"}"#,
    r#"{"event_type": "view", "url_id": 1, "user_id": 2,
        "details": {"a": [1, 2.50, {"b": null}], "c": "\ud83d\udedf"}}"#,
];
const FORMS: &[&str] = &[
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\nContent-Type: text/csv\r\n\r\n\
     username,email\r\nann,ann@x.example\r\n\r\n--b--\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--b\r\n\
     Content-Disposition: form-data; name=\"file\"\r\n\r\n1,2\r\n--b--",
];
const KINDS: &[&str] =
    &["multipart/form-data; boundary=b", "multipart/form-data; boundary=\"b\"; charset=utf-8", "text/csv"];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Everything {
    username: Field<Username>,
    email: Field<EmailAddress>,
    user_id: Field<UserId>,
    url_id: Field<UrlId>,
    short_code: Field<ShortCode>,
    original_url: Field<TargetUrl>,
    title: Field<Title>,
    is_active: Field<bool>,
    event_type: Field<EventType>,
    details: Field<Details>,
}

#[test]
fn json() {
    search(
        "JSON bodies",
        || inputs::bytes(JSON),
        |bytes| {
            let Ok(body) = serde_json::from_slice::<Everything>(&bytes) else { return Ok(()) };
            if let Field::Valid(details) = &body.details {
                let given = details.as_str().as_bytes();
                prop_assert!(bytes.windows(given.len()).any(|part| part == given), "details stay byte for byte");
            }
            let mut faults = Faults::default();
            let read = [
                body.username.required("username", &mut faults).is_some(),
                body.email.optional("email", &mut faults).is_some(),
                body.user_id.required("user_id", &mut faults).is_some(),
                body.url_id.required("url_id", &mut faults).is_some(),
                body.short_code.nullable("short_code", &mut faults).is_some(),
                body.original_url.required("original_url", &mut faults).is_some(),
                body.title.nullable("title", &mut faults).is_some(),
                body.is_active.optional("is_active", &mut faults).is_some(),
                body.event_type.required("event_type", &mut faults).is_some(),
                body.details.optional("details", &mut faults).is_some(),
            ];
            let fields: Vec<String> = match faults.check(Some(read)) {
                Ok(_) => Vec::new(),
                Err(error) => error.problem().errors.into_keys().collect(),
            };
            let required = ["username", "user_id", "url_id", "original_url", "event_type"];
            for (name, place) in required.into_iter().zip([0, 2, 3, 5, 8]) {
                let is_named = fields.iter().any(|field| field == name);
                prop_assert_eq!(read[place], !is_named, "{} is there or named", name);
            }
            Ok(())
        },
    );
}

fn request(kind: &[u8], chunks: Vec<Vec<u8>>) -> Request {
    let chunks = chunks.into_iter().map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk)));
    let mut request = Request::new(Body::from_stream(stream::iter(chunks)));
    if let Ok(kind) = kind.try_into() {
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    request
}

/// The file of a form, read to its end; or the status of the answer.
async fn read(request: Request, limit: u64) -> Result<Vec<u8>, u16> {
    let mut file = upload::receive(request, limit).await.map_err(|error| error.status().as_u16())?;
    assert!((1..=64 * 4).contains(&file.name.len()), "{:?}", file.name);
    let mut content = Vec::new();
    file.content.read_to_end(&mut content).await.unwrap();
    Ok(content)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn forms() {
    let given = || (inputs::header(KINDS), vec(inputs::bytes(FORMS), 1..4), 1..200_u64);
    let runtime = runtime();
    search("multipart forms", given, move |(kind, chunks, limit)| {
        match runtime.block_on(read(request(kind.as_bytes(), chunks), limit)) {
            Ok(content) => prop_assert!(content.len() as u64 <= limit),
            Err(status) => prop_assert!((400..500).contains(&status), "{}", status),
        }
        Ok(())
    });
}

#[test]
fn files_arrive_as_they_were_sent() {
    let given = || (vec(any::<u8>(), 0..600), vec(1..300_usize, 1..8), 1..600_u64);
    let runtime = runtime();
    search("uploaded files", given, move |(content, cuts, limit)| {
        let boundary = "4f1d0c7e8b9a4f1d0c7e8b9a";
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.csv\"\r\n\r\n");
        let whole = [head.as_bytes(), &content, b"\r\n--", boundary.as_bytes(), b"--\r\n"].concat();
        let mut chunks = Vec::new();
        let (mut rest, mut cuts) = (whole.as_slice(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            chunks.push(chunk.to_vec());
            rest = after;
        }
        let kind = format!("multipart/form-data; boundary={boundary}");
        let read = runtime.block_on(read(request(kind.as_bytes(), chunks), limit));
        prop_assert_eq!(read, if content.len() as u64 <= limit { Ok(content) } else { Err(413) });
        Ok(())
    });
}
