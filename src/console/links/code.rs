//! Whether a code is free, told while it is typed.

use askama::Template;
use axum::{extract::RawQuery, response::Response};

use super::super::{fault::Fault, frame::show, posted::Posted, visit::Visit};
use crate::domain::ShortCode;

#[derive(Template)]
#[template(source = r#"{% if !text.is_empty() %}<span class="{{ kind }}">{{ text }}</span>{% endif %}"#, ext = "html")]
struct Verdict {
    kind: &'static str,
    text: String,
}

/// A line about the code.
pub(in crate::console) async fn check(visit: Visit, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let query = Posted::parse(query.unwrap_or_default().as_bytes());
    let (kind, text) = match query.text("short_code").trim() {
        "" => ("", String::new()),
        text => match ShortCode::parse(text) {
            Err(fault) => ("bad", format!("{text} {fault}")),
            Ok(code) => match visit.app.store()?.code_use(&code).await? {
                None => ("good", format!("{code} is free")),
                Some(false) => ("bad", format!("{code} is another link's")),
                Some(true) => ("bad", format!("{code} was used once, and a code is never given away again")),
            },
        },
    };
    show(&Verdict { kind, text })
}
