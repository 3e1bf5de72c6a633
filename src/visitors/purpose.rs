//! Which requests are clicks: those by which a person comes to see the target.

use axum::http::{HeaderMap, HeaderName, Method};

/// Headers by which browsers say why they ask: the standard's, Chrome's former one, Firefox's and Safari's.
static HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-moz"),
    HeaderName::from_static("x-purpose"),
];
/// Purposes of requests whose answer no person sees yet, perhaps never.
const AHEAD: [&str; 3] = ["prefetch", "prerender", "preview"];

/// Whether a request that is redirected counts as a click: a GET that is neither fetched ahead nor for a preview.
pub fn is_counted(method: &Method, headers: &HeaderMap) -> bool {
    // One walk over the headers, which are few: four look-ups cost four times as much.
    method == Method::GET && !headers.iter().any(|(name, value)| HEADERS.contains(name) && is_ahead(value.as_bytes()))
}

/// Whether a word of a header's value says so, as `prefetch` in `prefetch;anonymous-client-ip`.
fn is_ahead(value: &[u8]) -> bool {
    let mut words = value.split(|byte| b";, \t\"".contains(byte));
    words.any(|word| AHEAD.into_iter().any(|ahead| word.eq_ignore_ascii_case(ahead.as_bytes())))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn counted(method: Method, headers: &[(&'static str, &'static str)]) -> bool {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        is_counted(&method, &map)
    }

    #[test]
    fn only_get_is_counted() {
        assert!(counted(Method::GET, &[]));
        for method in [Method::HEAD, Method::OPTIONS, Method::POST] {
            assert!(!counted(method.clone(), &[]), "{method}");
        }
    }

    #[test]
    fn what_is_fetched_ahead_is_not_counted() {
        for header in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("sec-purpose", "Prefetch, other"),
            ("sec-purpose", "prerender"),
            ("purpose", "prefetch"),
            ("purpose", "preview"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
            ("x-purpose", " PREVIEW "),
        ] {
            assert!(!counted(Method::GET, &[header]), "{header:?}");
        }
        assert!(!counted(Method::GET, &[("purpose", "other"), ("purpose", "prefetch")]), "in the second of two lines");
    }

    #[test]
    fn other_purposes_are_counted() {
        for header in [
            ("sec-purpose", "navigate"),
            ("sec-purpose", ""),
            ("purpose", "prefetching"),
            ("x-moz", "1"),
            ("sec-fetch-mode", "prefetch"),
        ] {
            assert!(counted(Method::GET, &[header]), "{header:?}");
        }
    }
}
