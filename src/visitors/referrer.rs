//! The host that led here, from `Referer`.

use std::net::Ipv6Addr;

/// Bytes of a host at most, as DNS has it.
const LONGEST: usize = 253;
/// Schemes of pages; Android's apps name themselves as hosts of a scheme of their own.
const SCHEMES: [&str; 3] = ["https://", "http://", "android-app://"];

/// The host of an address in lower case, as it stands there: `www.` is part of it, port and credentials are not. None
/// if there is no sound host. Browsers send addresses in their canonical form, so there is nothing to decode.
pub(super) fn host(referrer: &str) -> Option<Box<str>> {
    let rest = SCHEMES.into_iter().find_map(|scheme| after_prefix(referrer, scheme))?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    if let Some(rest) = host_and_port.strip_prefix('[') {
        let (address, _) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return Some(format!("[{address}]").into());
    }
    let host = host_and_port.split(':').next()?.trim_end_matches('.');
    let sound = (1..=LONGEST).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && host.split('.').all(|label| !label.is_empty());
    sound.then(|| host.to_ascii_lowercase().into())
}

fn after_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_out_of_addresses() {
        for (referrer, expected) in [
            ("https://news.example.com/item?id=1", Some("news.example.com")),
            ("HTTP://WWW.Example.COM", Some("www.example.com")),
            ("https://example.com:8443#top", Some("example.com")),
            ("https://user:secret@example.com/", Some("example.com")),
            ("https://xn--bcher-kva.example./", Some("xn--bcher-kva.example")),
            ("http://127.0.0.1:8080/x", Some("127.0.0.1")),
            ("http://[2001:DB8:0::1]:80/x", Some("[2001:db8::1]")),
            ("android-app://com.google.android.gm/", Some("com.google.android.gm")),
            ("http://localhost", Some("localhost")),
        ] {
            assert_eq!(host(referrer).as_deref(), expected, "{referrer}");
        }
    }

    #[test]
    fn what_holds_no_host_is_unknown() {
        let long = format!("https://{}.example/", "a".repeat(260));
        for referrer in [
            "",
            "about:blank",
            "example.com",
            "/path",
            "https://",
            "https:///x",
            "https://a..b/",
            "https://.a/",
            "https://ex ample/",
            "https://b\u{fc}cher.example/",
            "javascript:alert(1)",
            "https://<script>/",
            "http://[::1",
            "http://[x]/",
            &long,
        ] {
            assert_eq!(host(referrer), None, "{referrer}");
        }
    }
}
