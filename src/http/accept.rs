//! What a client accepts, as `Accept` and `Accept-Encoding` say it.

use axum::http::{HeaderMap, HeaderName};

/// Whether a header names this media type or encoding, with a weight above 0. Wildcards do not count.
pub(super) fn accepts(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name);
    let elements = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    elements.into_iter().any(|element| {
        let mut parts = element.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|named| named.eq_ignore_ascii_case(word));
        let weight = parts.find_map(|parameter| parameter.strip_prefix("q=")?.parse::<f32>().ok());
        is_named && weight.is_none_or(|weight| weight > 0.0)
    })
}
