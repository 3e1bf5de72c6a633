//! Targets of links. Parsed and checked by the `url` crate, kept byte for byte.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::text::{Invalid, checked_text, no_control_characters};

/// The longest target, in bytes.
pub const MAX_BYTES: usize = 8_192;
/// The longest `Location`: what proxies with answer heads of 32 KiB deliver.
const MAX_LOCATION: usize = 24 * 1_024;

checked_text!(
    /// A target: an absolute `http` or `https` address of at most 8,192 bytes, with a host, without credentials,
    /// control characters or white space around it.
    TargetUrl, check, format = "uri", max_length = 8192, example = "https://opswise.net/urban/lagoon/1"
);

impl TargetUrl {
    /// The value of `Location`: the target byte for byte, but an international host as punycode, and whatever else is
    /// outside ASCII percent-encoded.
    pub fn location(&self) -> Cow<'_, str> {
        location(self.as_str())
    }
}

fn location(text: &str) -> Cow<'_, str> {
    // Most targets are ASCII throughout.
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    // The set adds nothing to what is always encoded: control characters, which no target has, and non-ASCII.
    const NOTHING_MORE: &AsciiSet = CONTROLS;
    let asked = authority(text);
    let host = asked.split(':').next().unwrap_or(asked);
    let url = if host.is_ascii() { None } else { url::Url::parse(text).ok() };
    match url.as_ref().and_then(url::Url::host_str).zip(text.split_once(host)) {
        Some((punycode, (before, after))) => {
            format!("{before}{punycode}{}", utf8_percent_encode(after, NOTHING_MORE)).into()
        }
        None => utf8_percent_encode(text, NOTHING_MORE).into(),
    }
}

fn check(text: &str) -> Result<(), Invalid> {
    no_control_characters(text)?;
    if text.len() > MAX_BYTES {
        return Err(Invalid("must have at most 8192 bytes"));
    }
    if text.trim() != text {
        return Err(Invalid("must not begin or end with white space"));
    }
    let url = url::Url::parse(text).map_err(|_| Invalid("is not an absolute URL, such as https://example.com/page"))?;
    // The parser also takes `http:host` and `http:\\host`, which browsers read in more than one way.
    let scheme = url.scheme();
    let written_out = text.get(scheme.len()..).is_some_and(|rest| rest.starts_with("://"));
    if !matches!(scheme, "http" | "https") || !written_out {
        return Err(Invalid("must begin with http:// or https://"));
    }
    if authority(text).contains('\\') {
        return Err(Invalid("must not have a backslash before its path"));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err(Invalid("must not contain a user name or password"));
    }
    // The parser skips further slashes; other clients find no host there.
    if authority(text).is_empty() {
        return Err(Invalid("must name a host after two slashes"));
    }
    if location(text).len() > MAX_LOCATION {
        return Err(Invalid("must have at most 24576 bytes as a Location"));
    }
    if url.host_str().is_none_or(str::is_empty) { Err(Invalid("must name a host")) } else { Ok(()) }
}

/// What stands between `//` and the path, `?` or `#`; an empty user name before an `@` is still one. A backslash ends
/// it for browsers, and for other clients it does not.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn targets_stay_byte_for_byte() {
        for target in [
            "http://example.com",
            "HTTPS://Example.COM:443/a/../b?q=1&q=2#frag",
            "https://example.com/%zz/a b",
            "https://例え.jp/道?x=ü",
            "http://[2001:db8::1]:8080/",
            "https://example.com/me@home",
        ] {
            assert_eq!(TargetUrl::parse(target).unwrap().as_str(), target);
        }
        for (target, location) in [
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
            (
                "HTTPS://München.example:8443/a/../ü?q=ü#ü",
                "HTTPS://xn--mnchen-3ya.example:8443/a/../%C3%BC?q=%C3%BC#%C3%BC",
            ),
            ("https://例え.jp/例え.jp", "https://xn--r8jz45g.jp/%E4%BE%8B%E3%81%88.jp"),
            ("https://x.example/%zz/ü", "https://x.example/%zz/%C3%BC"),
        ] {
            assert_eq!(TargetUrl::parse(target).unwrap().location(), location);
        }
        let longest = format!("https://x.example/{}", "ü".repeat(4_087));
        assert!((24_000..=MAX_LOCATION).contains(&TargetUrl::parse(longest).unwrap().location().len()));
        assert_eq!(TargetUrl::parse("https://x.example/ü?q=%20").unwrap().location(), "https://x.example/%C3%BC?q=%20");
    }

    #[test]
    fn what_no_browser_should_follow_is_refused() {
        for target in [
            "",
            "example.com",
            "/path",
            "//example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http:example.com",
            "http:\\\\example.com",
            "http:/example.com",
            "http://",
            "https:///",
            "https:///example.com",
            "https:///user@example.com",
            "https:////a.example\\@b.example",
            "https://\\\\user@example.com",
            "https://user@example.com",
            "https://user:secret@example.com",
            "https://@example.com",
            "https://:@example.com",
            "https://a.example\\@b.example",
            "https://example.com/\r\nSet-Cookie: a=b",
            "https://example.com/\0",
            " https://example.com",
            "https://example.com ",
            "https://exa mple.com",
            "https://example.com:99999",
        ] {
            assert!(TargetUrl::parse(target).is_err(), "{target:?}");
        }
        assert!(TargetUrl::parse(format!("https://example.com/{}", "x".repeat(9_000))).is_err());
    }

    proptest! {
        #[test]
        fn a_location_is_always_a_header_value(path in "\\PC{0,80}") {
            if let Ok(target) = TargetUrl::parse(format!("https://example.com/{path}")) {
                let location = target.location();
                prop_assert!(location.bytes().all(|b| (0x20..0x7f).contains(&b)));
            }
        }
    }
}
