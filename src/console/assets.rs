//! Files of `assets/`, in the binary, each at an address that changes with its content.

use std::fmt::Write as _;

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

/// Hexadecimal digits of a content hash that stand in an address.
const DIGITS: usize = 16;
/// What is at such an address never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// The address of a file.
pub(super) fn address(name: &str) -> String {
    Assets::get(name).map_or_else(
        || format!("/console/assets/none/{name}"),
        |file| format!("/console/assets/{}/{name}", hash(&file)),
    )
}

fn hash(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash().iter().take(DIGITS / 2).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Answers a file; 304 if the client has it.
pub(super) async fn asset(Path((asked, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(file) = Assets::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let hash = hash(&file);
    if asked != hash {
        return StatusCode::NOT_FOUND.into_response();
    }
    let etag = format!("\"{hash}\"");
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let kept = [(header::ETAG, etag), (header::CACHE_CONTROL, FOR_EVER.to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    (kept, [(header::CONTENT_TYPE, kind)], file.data.into_owned()).into_response()
}
