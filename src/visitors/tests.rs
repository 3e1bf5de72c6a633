//! Visitors as a whole: what is told of them, and what is not.

use std::path::Path;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::rollup::Known;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const SALT: [u8; SALT_BYTES] = [7; SALT_BYTES];

fn visitors(address: AddressPolicy) -> Visitors {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/geoip/countries.mmdb");
    Visitors::open(&VisitorSettings { address, geoip: Some(file) }).unwrap()
}

fn request(address: &str) -> Request<'static> {
    Request {
        user_agent: Some(FIREFOX),
        referrer: Some("https://www.news.example:443/item?id=1"),
        accept_language: Some("de-AT,de;q=0.9"),
        refuses_tracking: false,
        address: Some(address.parse().unwrap()),
    }
}

fn told(visitor: &Visitor) -> Value {
    serde_json::from_str(visitor.details().as_str()).unwrap()
}

#[test]
fn details_and_values_tell_what_is_known() {
    let visitor = visitors(AddressPolicy::Anonymised).read(&request("203.0.113.77"));
    let expected = json!({
        "referrer": "www.news.example", "country": "DE", "browser": "Firefox", "os": "Linux", "device": "pc",
        "language": "de", "address": "203.0.113.0/24",
    });
    assert_eq!(told(&visitor), expected);
    assert!(!visitor.is_bot());
    // The rollups of an export that is imported are made from the details: they must say the same.
    let values: Vec<_> = visitor.values().map(|(dimension, value)| (dimension, value.to_owned())).collect();
    assert_eq!(Known::from_details(&visitor.details()), Known { is_bot: false, values });
}

#[test]
fn the_address_is_stored_as_the_policy_says() {
    let none = visitors(AddressPolicy::None).read(&request("203.0.113.77"));
    assert_eq!(told(&none)["address"], Value::Null);
    assert_eq!(told(&none)["country"], "DE", "the country is no address");
    let six = visitors(AddressPolicy::Anonymised).read(&request("2001:db8:1:2::7"));
    assert_eq!((&told(&six)["address"], &told(&six)["country"]), (&json!("2001:db8:1::/48"), &json!("NP")));
    let mapped = visitors(AddressPolicy::Anonymised).read(&request("::ffff:203.0.113.77"));
    assert_eq!((&told(&mapped)["address"], &told(&mapped)["country"]), (&json!("203.0.113.0/24"), &json!("DE")));
}

#[test]
fn a_refusal_leaves_nothing_but_the_program() {
    let visitors = visitors(AddressPolicy::Anonymised);
    let person = visitors.read(&Request { refuses_tracking: true, ..request("203.0.113.77") });
    assert_eq!((told(&person), person.hash(&Salt::new(&SALT))), (json!({}), None));
    assert!(person.values().next().is_none());
    let program = Request { refuses_tracking: true, user_agent: Some("curl/8.14.1"), ..request("203.0.113.77") };
    let program = visitors.read(&program);
    assert_eq!((told(&program), program.is_bot()), (json!({"bot": true}), true));
    assert!(program.values().next().is_none());
}

#[test]
fn nothing_known_is_nothing_told() {
    let visitor = visitors(AddressPolicy::Anonymised).read(&Request::default());
    assert_eq!((told(&visitor), visitor.is_bot(), visitor.hash(&Salt::new(&SALT))), (json!({}), false, None));
    let unknown = Visitor::unknown();
    assert_eq!((told(&unknown), unknown.is_bot(), unknown.hash(&Salt::new(&SALT))), (json!({}), false, None));
}

#[test]
fn a_hash_depends_on_salt_address_and_agent_alone() {
    // Two replicas: each reads with its own memory.
    let (here, there) = (visitors(AddressPolicy::Anonymised), visitors(AddressPolicy::None));
    let hash = |request: &Request<'_>| here.read(request).hash(&Salt::new(&SALT)).unwrap();
    let first = hash(&request("203.0.113.77"));
    let elsewhere = Request { referrer: None, accept_language: None, ..request("::ffff:203.0.113.77") };
    assert_eq!(there.read(&elsewhere).hash(&Salt::new(&SALT)), Some(first));
    assert_ne!(hash(&request("203.0.113.78")), first, "a neighbour in the same network");
    assert_ne!(hash(&Request { user_agent: Some("curl/8.14.1"), ..request("203.0.113.77") }), first);
    assert_ne!(hash(&Request { user_agent: None, ..request("203.0.113.77") }), first);
    assert_ne!(here.read(&request("203.0.113.77")).hash(&Salt::new(&[8; SALT_BYTES])), Some(first));
    // Fixed, since replicas of two versions must agree.
    assert_eq!(first, 2_841_930_553_420_618_727);
}

#[test]
fn debug_output_tells_nothing() {
    let request = request("203.0.113.77");
    let text = format!("{:?} {request:?}", visitors(AddressPolicy::Anonymised).read(&request));
    for part in ["203", "Firefox", "news", "de"] {
        assert!(!text.contains(part), "{text}");
    }
}

#[test]
fn a_queued_visitor_is_small() {
    let visitor = visitors(AddressPolicy::Anonymised).read(&request("203.0.113.77"));
    assert!(size_of::<Visitor>() <= 64, "{}", size_of::<Visitor>());
    assert!((FIREFOX.len() + 16..400).contains(&visitor.queued_bytes()), "{}", visitor.queued_bytes());
}

proptest! {
    #[test]
    fn any_headers_are_read(
        agent in prop::collection::vec(any::<u8>(), 0..700),
        referrer in "(https?://)?\\PC{0,300}",
        language in "\\PC{0,80}",
        address in any::<u128>(),
    ) {
        let pairs = [
            ("user-agent", agent.as_slice()),
            ("referer", referrer.as_bytes()),
            ("accept-language", language.as_bytes()),
        ];
        let headers: HeaderMap = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?)))
            .collect();
        let request = Request::read(&headers, Some(IpAddr::V6(address.into())));
        let visitor = visitors(AddressPolicy::Anonymised).read(&request);
        let values: Vec<_> = visitor.values().map(|(dimension, value)| (dimension, value.to_owned())).collect();
        prop_assert_eq!(Known::from_details(&visitor.details()).values, values);
        prop_assert!(visitor.details().as_str().len() < 700 && visitor.queued_bytes() < 1_200);
    }
}
