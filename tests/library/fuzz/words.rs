//! Words that addresses, queries and bodies hold: codes, targets, cursors, pages, ranges of time, proxies.

use buoy::domain::{
    Cursor, EmailAddress, EventType, PageRequest, ShortCode, TargetPolicy, TargetUrl, Title, TrustedProxies, UrlId,
    Username,
    page::{MAX_PER_PAGE, PageStart},
    short_code::RESERVED,
    stats::{Calendar, Edge, MAX_BUCKETS, Top, Unit, Zone},
    target_url::MAX_BYTES,
};
use proptest::{option, prelude::*, sample::select};

use crate::fuzz::{inputs::text, search::search};

const CODES: &[&str] = &["OvfxQA", "roadmap", "a", "2026", "_-", "users", ".well-known", "favicon.ico"];
const TARGETS: &[&str] = &[
    "https://opswise.net/urban/lagoon/1",
    "http://example.com",
    "HTTPS://Example.COM:443/a/../b?q=1&q=2#frag",
    "https://example.com/%zz/a b",
    "https://例え.jp/道?x=ü#é",
    "http://[2001:db8::1]:8080/",
    "https://example.com/me@home",
    "http://127.1/",
    "https://m\u{fc}nchen.example:8443?x=\u{fc}",
    "https://xn--mnchen-3ya.example/",
    "https:///user@example.com/",
    "https:\\\\example.com\\@x",
    "https://b\u{fc}cher.example\\@evil.example/",
    "https://\u{2100}.example/",
    "https://example.com%2f@evil.example",
    "https://example.com:0443/\u{e9}\u{e9}\u{e9}#\u{e9}",
];
const CURSORS: &[&str] = &["after-20", "after-57-123", "after-9223372036854775807", "after-0-0"];
const NUMBERS: &[&str] = &["1", "20", "1000", "1000000001", "0"];
const EDGES: &[&str] = &[
    "2026-03-29",
    "2026-03-29T12:00:00Z",
    "2026-03-29T12:00:00.5",
    "2026-03-29T12:00:00+05:45",
    "0002-01-01",
    "9998-12-31",
];
const ZONES: &[&str] =
    &["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo", "Africa/Monrovia"];
const WORDS: &[&str] = &["tidyriver02", "tidyriver02@relay.cloud", "Roadmap update", "click", "名前"];
const PROXIES: &[&str] = &["private", "any", "10.0.0.0/8,192.0.2.1", "2001:db8::/32 , ::ffff:10.0.0.0/104"];

#[test]
fn short_codes() {
    search(
        "short codes",
        || text(CODES),
        |text| {
            let allowed = (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
                && !RESERVED.contains(&text.as_str());
            let parsed = ShortCode::parse(text.as_str());
            prop_assert_eq!(parsed.is_ok(), allowed);
            if let Ok(code) = parsed {
                prop_assert_eq!(code.to_string(), text);
            }
            Ok(())
        },
    );
}

#[test]
fn targets() {
    search(
        "targets",
        || text(TARGETS),
        |text| {
            let Ok(target) = TargetUrl::parse(text.as_str()) else { return Ok(()) };
            prop_assert_eq!(target.as_str(), &text, "byte for byte");
            prop_assert!(text.len() <= MAX_BYTES && !text.chars().any(char::is_control));
            let location = target.location();
            prop_assert!(location.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{}", location);
            // A client that follows the header reaches the target, without credentials.
            let (followed, meant) = (url::Url::parse(&location), url::Url::parse(&text));
            prop_assert_eq!(&followed, &meant);
            let url = followed.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!(matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
            prop_assert!(url.username().is_empty() && url.password().is_none());
            // The host stands in `Location` as the name that resolvers take, so that every client reads the same one.
            let authority = location.split("://").nth(1).unwrap_or_default();
            let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
            prop_assert!(!authority.contains(['%', '@', '\\']) || text.is_ascii(), "{}", location);
            prop_assert!(location.len() <= 24 * 1_024);
            // What was answered is a target again, and its own location.
            let again = TargetUrl::parse(location.clone().into_owned()).map_err(|fault| fault.to_string());
            if location.len() <= MAX_BYTES {
                prop_assert_eq!(again.as_ref().map(TargetUrl::location), Ok(location.clone()));
            }
            // No spelling of the host that was asked is another host.
            let asked = url.host_str().map(|host| match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            });
            let policy = TargetPolicy { allow_private: true, ..TargetPolicy::default() };
            prop_assert!(policy.check_asked(&target, asked.as_deref()).is_err(), "{:?}", asked);
            Ok(())
        },
    );
}

#[test]
fn cursors() {
    search(
        "cursors",
        || text(CURSORS),
        |text| {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert!(cursor.id >= 0 && cursor.value >= 0);
                prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
            }
            Ok(())
        },
    );
}

#[test]
fn pages() {
    let parameters = || (option::of(text(NUMBERS)), option::of(text(NUMBERS)), option::of(text(CURSORS)));
    search("pages", parameters, |(page, size, cursor)| {
        let parsed = PageRequest::parse(page.as_deref(), size.as_deref(), cursor.as_deref());
        if let Ok(PageRequest::One { start, per_page }) = parsed {
            prop_assert!((1..=MAX_PER_PAGE).contains(&per_page));
            if let PageStart::Offset(offset) = start {
                prop_assert!(i64::try_from(offset).is_ok(), "a database counts no further: {}", offset);
            }
        }
        Ok(())
    });
}

#[test]
fn ranges_of_statistics() {
    let units = || select(vec![Unit::Hour, Unit::Day, Unit::Week, Unit::Month]);
    let ranges = move || (option::of(text(EDGES)), option::of(text(EDGES)), units(), text(ZONES), text(NUMBERS));
    search("ranges of statistics", ranges, |(from, to, unit, zone, top)| {
        if let Ok(Top(top)) = top.parse() {
            prop_assert!((1..=1_000).contains(&top));
        }
        let edge = |text: Option<String>| text.map(|text| text.parse::<Edge>()).transpose();
        let (Ok(from), Ok(to), Ok(zone)) = (edge(from), edge(to), zone.parse::<Zone>()) else { return Ok(()) };
        let now = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
        let Ok(calendar) = Calendar::of((from, to), unit, zone, now) else { return Ok(()) };
        let starts: Vec<_> = calendar.starts().collect();
        prop_assert!((1..=MAX_BUCKETS).contains(&starts.len()));
        prop_assert!(starts.is_sorted() && starts[0] <= calendar.from() && calendar.from() < calendar.to());
        let runs = calendar.runs();
        prop_assert!(runs.iter().all(|run| run.from < run.to && run.width > 0));
        let counted: i64 = runs.iter().map(|run| run.to - run.from).sum();
        prop_assert_eq!(counted * 900, (calendar.to() - calendar.from()).num_seconds(), "no slot twice, none left out");
        Ok(())
    });
}

#[test]
fn other_words() {
    search(
        "names, addresses, titles, ids",
        || text(WORDS),
        |text| {
            let taken = [
                Username::parse(text.as_str()).ok().map(|word| word.to_string()),
                EmailAddress::parse(text.as_str()).ok().map(|word| word.to_string()),
                Title::parse(text.as_str()).ok().map(|word| word.to_string()),
                EventType::parse(text.as_str()).ok().map(|word| word.to_string()),
            ];
            for word in taken.into_iter().flatten() {
                prop_assert_eq!(&word, &text);
                prop_assert!(!word.chars().any(char::is_control));
            }
            if let Ok(UrlId(id)) = text.parse() {
                prop_assert!((1..=(1 << 53) - 1).contains(&id));
            }
            Ok(())
        },
    );
}

#[test]
fn proxies() {
    search(
        "trusted proxies",
        || text(PROXIES),
        |text| {
            if let Ok(proxies) = text.parse::<TrustedProxies>() {
                let far: [std::net::IpAddr; 2] = [[0, 0, 0, 0].into(), [255, 255, 255, 255].into()];
                prop_assert!(!far.iter().all(|address| proxies.trust_hop(*address)), "nobody trusts everybody");
            }
            Ok(())
        },
    );
}
