//! Headers that any client may send.

use std::net::IpAddr;

use axum::{
    extract::FromRequestParts as _,
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use buoy::{
    domain::{Caller, HostNames, Secret},
    http::{
        client_address::{ClientAddress, PeerAddress},
        idempotency::Idempotency,
    },
    state::Trust,
    visitors::{Request, Salt, VisitorSettings, Visitors, is_counted},
};
use futures_util::FutureExt as _;
use proptest::{collection::vec, option, prelude::*};

use crate::fuzz::{inputs, search::search};

const ADDRESSES: &[&str] = &[
    "203.0.113.9",
    "203.0.113.9, 10.0.0.2",
    "[2001:db8::9]:4711",
    "::ffff:203.0.113.9, unknown",
    "for=203.0.113.9;proto=https, for=\"[2001:db8::9]:1\"",
    "for=_hidden, FOR=10.0.0.2;by=x",
    "for=\"203.0.113.9, for=10.0.0.2\"",
    "for=\"a\\\"b\", for=192.0.2.1",
    "host=\"x;for=192.0.2.1\";for=203.0.113.9",
    "for=\"203.0.113.9",
];
/// What a proxy adds for a client at 198.51.100.7 in each of the two headers, with trusted hops behind it.
const SEEN: [&[&str]; 2] = [
    &["198.51.100.7", "198.51.100.7:4711", "::ffff:198.51.100.7", "198.51.100.7 , 10.0.0.2", "198.51.100.7,, 10.0.0.2"],
    &[
        "for=198.51.100.7;proto=http",
        "For=\"198.51.100.7:4711\"",
        "by=\"_a,b\";for=198.51.100.7",
        "for=\"[::ffff:198.51.100.7]:1\";host=\"a;for=192.0.2.1\"",
        "for=198.51.100.7, for=10.0.0.2;by=\"x,y\"",
        "for=198.51.100.7,, for=\"10.0.0.2\"",
    ],
];
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.14.1",
];
const HOSTS: &[&str] = &[
    "go.example.com",
    "evil.example",
    "http://localhost:8080",
    "https://go.example.com",
    "https://evil.example",
    "[::1]:8080",
    "127.0.0.1:8080",
    "null",
];
const LANGUAGES: &[&str] = &["de-DE,de;q=0.9,en;q=0.8", "*", "en;q=0.5, fr-CH ; q=0.9", "zh-Hant-TW"];
const REFERRERS: &[&str] =
    &["https://news.example.com/item?id=1", "http://[2001:db8::1]:80/x", "android-app://com.example/"];
const PURPOSES: &[&str] = &["prefetch;prerender", "preview", "navigate", "prefetch, other"];
const REFUSALS: &[&str] = &["1", "0", " 1 "];
const KEYS: &[&str] = &["9f8c1d2e-create-link", "k", "\"quoted\""];

fn headers(pairs: impl IntoIterator<Item = (&'static str, Option<HeaderValue>)>) -> HeaderMap {
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((HeaderName::from_static(name), value?)));
    pairs.collect()
}

#[test]
fn visitors() {
    let given = || {
        let refusal = || option::weighted(0.2, inputs::header(REFUSALS));
        let (agent, language) = (option::of(inputs::header(AGENTS)), option::of(inputs::header(LANGUAGES)));
        (agent, language, option::of(inputs::header(REFERRERS)), refusal(), refusal(), any::<IpAddr>())
    };
    let readers = Visitors::open(&VisitorSettings::default()).unwrap();
    search("visitors", given, move |(agent, language, referrer, dnt, gpc, address)| {
        let headers = headers([
            ("user-agent", agent),
            ("accept-language", language),
            ("referer", referrer),
            ("dnt", dnt),
            ("sec-gpc", gpc),
        ]);
        let request = Request::read(&headers, Some(address));
        let visitor = readers.read(&request);
        let details: serde_json::Value = serde_json::from_str(visitor.details().as_str()).unwrap();
        prop_assert!(visitor.queued_bytes() < 4_096, "a queued visitor has a bounded size");
        prop_assert!(visitor.values().all(|(_, value)| (1..=255).contains(&value.len())));
        prop_assert!(!visitor.values().any(|(_, value)| value.chars().any(char::is_control)));
        let network = details["address"].as_str();
        prop_assert!(network.is_none_or(|text| text.ends_with("/24") || text.ends_with("/48")), "{:?}", network);
        if request.refuses_tracking {
            prop_assert!(details.as_object().unwrap().keys().all(|key| key == "bot"), "{}", details);
            prop_assert!(visitor.hash(&Salt::new(&[7; 32])).is_none());
        }
        Ok(())
    });
}

#[test]
fn purposes() {
    let given = || vec(inputs::header(PURPOSES), 0..4);
    search("purposes", given, |values| {
        let names = ["sec-purpose", "purpose", "x-moz", "x-purpose"].into_iter().cycle();
        let headers = headers(names.zip(values.into_iter().map(Some)));
        prop_assert!(!is_counted(&Method::HEAD, &headers));
        let mut more = headers.clone();
        more.append("sec-purpose", HeaderValue::from_static("prefetch"));
        prop_assert!(!is_counted(&Method::GET, &more), "nothing else in the headers makes a prefetch count");
        if headers.is_empty() {
            prop_assert!(is_counted(&Method::GET, &headers));
        }
        Ok(())
    });
}

#[test]
fn addresses_that_proxies_name() {
    let peers =
        || prop_oneof![Just(IpAddr::from([10, 0, 0, 1])), Just(IpAddr::from([203, 0, 113, 50])), any::<IpAddr>()];
    let junk = || (inputs::header(ADDRESSES), any::<bool>(), any::<usize>());
    let given = move || (peers(), vec(inputs::header(ADDRESSES), 0..4), junk());
    search("forwarded addresses", given, |(peer, mut lines, (junk, is_forwarded, spelling))| {
        let name = if is_forwarded { header::FORWARDED } else { HeaderName::from_static("x-forwarded-for") };
        let trust = Trust { header: Some(name.clone()), proxies: "10.0.0.0/8".parse().unwrap() };
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddress(peer));
        let of = |lines: &[HeaderValue]| {
            let headers = lines.iter().map(|line| (name.clone(), line.clone())).collect();
            ClientAddress::read(&extensions, &headers, &trust).address
        };
        let claimed = of(&lines);
        prop_assert!(claimed.is_none_or(|address| address == address.to_canonical()));
        let is_proxy = trust.proxies.trust_peer(peer);
        if !is_proxy {
            prop_assert_eq!(claimed, Some(peer.to_canonical()), "who is no proxy speaks for nobody");
        }
        // The proxy adds whom it saw to whatever a client made up.
        let spellings = SEEN[usize::from(is_forwarded)];
        let seen = spellings[spelling % spellings.len()];
        let line = [junk.as_bytes(), b", ", seen.as_bytes()].concat();
        lines.push(HeaderValue::from_bytes(&line).unwrap());
        let expected = if is_proxy { [198, 51, 100, 7].into() } else { peer.to_canonical() };
        prop_assert_eq!(of(&lines), Some(expected));
        Ok(())
    });
}

/// Nothing that is no key is taken for one: its checksum tells.
#[test]
fn authorization() {
    let key = Secret::generate().expose().to_owned();
    let samples: &'static [&'static str] = vec![&*key.clone().leak(), "Bearer", "Basic YTpi"].leak();
    search(
        "authorization",
        move || inputs::header(samples),
        move |header| {
            let text = header.to_str().unwrap_or_default();
            let is_key = Secret::parse(text).is_some();
            prop_assert!(!is_key || text == key, "{text}");
            prop_assert!(text != key || is_key);
            Ok(())
        },
    );
}

/// Which host or origin is whose, whatever stands there.
#[test]
fn hosts_and_origins() {
    let hosts: HostNames = "go.example.com".parse().unwrap();
    search(
        "hosts and origins",
        || (inputs::header(HOSTS), inputs::header(HOSTS)),
        move |(host, origin)| {
            let (host, origin) = (host.to_str().unwrap_or_default(), origin.to_str().unwrap_or_default());
            let known = hosts.know(host);
            prop_assert!(!known || !host.contains("evil.example"), "{host}");
            prop_assert!(!hosts.own(origin, "localhost:8080") || !origin.contains("evil.example"), "{origin}");
            Ok(())
        },
    );
}

#[test]
fn idempotency_keys() {
    search(
        "idempotency keys",
        || option::of(inputs::header(KEYS)),
        |key| {
            let is_given = key.is_some();
            let (mut parts, ()) = axum::http::Request::new(()).into_parts();
            parts.headers = headers([("idempotency-key", key)]);
            parts.extensions.insert(Caller::Open);
            let read = Idempotency::from_request_parts(&mut parts, &()).now_or_never().unwrap();
            if let Err(error) = read {
                prop_assert!(is_given && error.status() == StatusCode::BAD_REQUEST);
            }
            Ok(())
        },
    );
}
