//! Which requests are clicks: those by which somebody comes to see the target.

use axum::http::{HeaderMap, Method};

/// Headers by which browsers say why they ask: the standard's, Chrome's former one, Firefox's and Safari's.
const HEADERS: [&str; 4] = ["sec-purpose", "purpose", "x-moz", "x-purpose"];
/// Reasons that mean that nobody looks yet, and perhaps never will.
const AHEAD: [&str; 3] = ["prefetch", "prerender", "preview"];

/// Whether a request that is redirected counts as a click: a GET that is neither fetched ahead nor for a preview.
pub fn is_counted(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET
        && !HEADERS.into_iter().any(|name| headers.get_all(name).iter().any(|value| is_ahead(value.as_bytes())))
}

/// Whether a word of a header's value says so, as `prefetch` in `prefetch;anonymous-client-ip`.
fn is_ahead(value: &[u8]) -> bool {
    let mut words = value.split(|byte| b";, \t\"".contains(byte));
    words.any(|word| AHEAD.into_iter().any(|ahead| word.eq_ignore_ascii_case(ahead.as_bytes())))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

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
