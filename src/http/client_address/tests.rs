//! Every way in which a request can name its origin.

use axum::{
    Extension, Router,
    http::{HeaderName, HeaderValue},
    routing::get,
};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::http::server::{ServerLimits, Stop, serve};

fn trust(header: &str, proxies: &str) -> Trust {
    Trust { header: Some(header.parse().unwrap()), proxies: proxies.parse().unwrap() }
}

fn client(trust: &Trust, peer: &str, lines: &[(&'static str, &str)]) -> Option<String> {
    let mut extensions = Extensions::new();
    extensions.insert(PeerAddress(peer.parse().unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    ClientAddress::read(&extensions, &headers, trust).address.map(|address| address.to_string())
}

const PROXY: &str = "10.0.0.2";
const STRANGER: &str = "198.51.100.9";

#[test]
fn nothing_is_trusted_by_default() {
    let lines = [("x-forwarded-for", "203.0.113.7"), ("x-real-ip", "203.0.113.7"), ("forwarded", "for=203.0.113.7")];
    for peer in ["127.0.0.1", PROXY, STRANGER] {
        assert_eq!(client(&Trust::default(), peer, &lines).as_deref(), Some(peer));
    }
    assert_eq!(client(&Trust::default(), "::ffff:10.0.0.2", &[]).as_deref(), Some(PROXY), "in canonical form");
}

#[test]
fn a_stranger_s_header_is_ignored() {
    let trust = trust("x-forwarded-for", "10.0.0.0/8");
    assert_eq!(client(&trust, STRANGER, &[("x-forwarded-for", "203.0.113.7")]).as_deref(), Some(STRANGER));
}

#[test]
fn lists_are_read_from_the_right() {
    let trust = trust("x-forwarded-for", "10.0.0.0/8, 2001:db8:ffff::/48");
    for (list, expected) in [
        ("203.0.113.7", Some("203.0.113.7")),
        ("1.2.3.4, 203.0.113.7", Some("203.0.113.7")),
        ("10.9.9.9, 203.0.113.7, 10.0.0.3", Some("203.0.113.7")),
        ("1.2.3.4,203.0.113.7,2001:db8:ffff::1,10.0.0.3", Some("203.0.113.7")),
        ("10.0.0.5, 10.0.0.3", Some("10.0.0.5")),
        ("2001:db8::7", Some("2001:db8::7")),
        ("::ffff:203.0.113.7", Some("203.0.113.7")),
        ("203.0.113.7:51234", Some("203.0.113.7")),
        ("[2001:db8::7]:51234", Some("2001:db8::7")),
        ("[2001:db8::7]", Some("2001:db8::7")),
        // What a proxy cannot name is not known; what a client wrote to the left of it is not asked for.
        ("203.0.113.7, unknown", None),
        ("203.0.113.7, unknown, 10.0.0.3", None),
        ("unknown, 203.0.113.7", Some("203.0.113.7")),
        ("203.0.113.7, ", Some("203.0.113.7")),
        ("203.0.113.7, ,,10.0.0.3", Some("203.0.113.7")),
        ("", Some(PROXY)),
        ("a:b", None),
    ] {
        assert_eq!(client(&trust, PROXY, &[("x-forwarded-for", list)]).as_deref(), expected, "{list}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let trust = trust("x-forwarded-for", PROXY);
    let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.7, 10.0.0.2")];
    assert_eq!(client(&trust, PROXY, &lines).as_deref(), Some("203.0.113.7"));
}

#[test]
fn bytes_that_are_no_text_hide_nobody() {
    let (trust, mut extensions) = (trust("x-forwarded-for", "private"), Extensions::new());
    extensions.insert(PeerAddress(PROXY.parse().unwrap()));
    for (line, expected) in [
        (&b"\xff\xfe, 203.0.113.7"[..], Some("203.0.113.7")),
        (b"1.2.3.4, \xc3(, 203.0.113.7, 10.0.0.3", Some("203.0.113.7")),
        (b"203.0.113.7, \xff", None),
    ] {
        let value = HeaderValue::from_bytes(line).unwrap();
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), value)]);
        let found = ClientAddress::read(&extensions, &headers, &trust).address.map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected, "{line:?}");
    }
}

#[test]
fn a_proxy_that_names_nobody_asks_for_itself() {
    let trust = trust("x-forwarded-for", "private");
    assert_eq!(client(&trust, PROXY, &[("x-real-ip", "203.0.113.7")]).as_deref(), Some(PROXY));
}

#[test]
fn a_platform_s_header_is_trusted_from_any_peer() {
    let platform = trust("do-connecting-ip", "any");
    let lines = [("do-connecting-ip", "203.0.113.7"), ("x-forwarded-for", "1.2.3.4")];
    assert_eq!(client(&platform, STRANGER, &lines).as_deref(), Some("203.0.113.7"));
    // A list stays safe: all that the nearest proxy wrote is its last entry.
    let list = trust("x-forwarded-for", "any");
    assert_eq!(client(&list, STRANGER, &[("x-forwarded-for", "1.2.3.4, 203.0.113.7")]).as_deref(), Some("203.0.113.7"));
}

#[test]
fn forwarded_is_read_as_its_standard_says() {
    let trust = trust("forwarded", "10.0.0.0/8");
    for (value, expected) in [
        ("for=203.0.113.7", Some("203.0.113.7")),
        ("For=1.2.3.4, proto=https;for=\"203.0.113.7:80\";by=10.0.0.2", Some("203.0.113.7")),
        ("for=\"[2001:db8::7]:4711\", for=10.0.0.3", Some("2001:db8::7")),
        ("for=203.0.113.7;by=\"a,for=1.2.3.4\"", Some("203.0.113.7")),
        ("for=203.0.113.7;by=\"a, for=1.2.3.4;for=1.2.3.4\"", Some("203.0.113.7")),
        ("host=\"a;for=1.2.3.4\";for=203.0.113.7", Some("203.0.113.7")),
        (r#"for=203.0.113.7;by="a\",for=1.2.3.4,\\""#, Some("203.0.113.7")),
        ("for=\"1.2.3.4, for=203.0.113.7", Some("203.0.113.7")),
        ("for=203.0.113.7, ", Some("203.0.113.7")),
        ("for=_hidden", None),
        ("proto=https", None),
    ] {
        assert_eq!(client(&trust, PROXY, &[("forwarded", value)]).as_deref(), expected, "{value}");
    }
}

#[test]
fn without_a_peer_nothing_is_known() {
    assert_eq!(ClientAddress::read(&Extensions::new(), &HeaderMap::new(), &Trust::default()).address, None);
}

#[test]
fn addresses_are_not_printed() {
    let (peer, client) = (
        PeerAddress("203.0.113.7".parse().unwrap()),
        ClientAddress { address: "203.0.113.7".parse().ok(), told: true },
    );
    assert!(!format!("{peer:?} {client:?}").contains("203"));
}

#[tokio::test]
async fn the_server_tells_each_request_who_opened_its_connection() {
    let told = |Extension(peer): Extension<PeerAddress>| async move { peer.0.to_string() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Stop { stopping: CancellationToken::new(), deadline: CancellationToken::new() };
    let second = std::time::Duration::from_secs(1);
    let limits = ServerLimits { connections: 1, head: second, body: second, answer: second };
    let served = tokio::spawn(serve(listener, Router::new().route("/", get(told)).into(), stop.clone(), limits));
    // From another address of this machine, so that it cannot be the listener's own.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
    let mut connection = socket.connect(address).await.unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("127.0.0.9"), "{answer}");
    stop.stopping.cancel();
    assert!(served.await.unwrap());
}

proptest! {
    #[test]
    fn whatever_stands_left_of_an_untrusted_address_changes_nothing(claimed in "[ -~]{0,200}") {
        for (header, last) in [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")] {
            let value = format!("{claimed}, {last}");
            let found = client(&trust(header, "private"), PROXY, &[(header, &value)]);
            prop_assert_eq!(found.as_deref(), Some("203.0.113.7"));
        }
    }
}

#[test]
fn a_trusted_proxy_is_no_client() {
    let own = |trust: &Trust, peer: &str, lines: &[(&'static str, &str)]| {
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddress(peer.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        ClientAddress::read(&extensions, &headers, trust).own(trust).map(|address| address.to_string())
    };
    let (some, any) = (trust("x-forwarded-for", "10.0.0.0/8"), trust("x-forwarded-for", "any"));
    let (told, proxies) = ([("x-forwarded-for", "203.0.113.7")], [("x-forwarded-for", "10.0.0.5, 10.0.0.3")]);
    assert_eq!(own(&some, PROXY, &told).as_deref(), Some("203.0.113.7"));
    assert_eq!(own(&some, STRANGER, &told).as_deref(), Some(STRANGER));
    assert_eq!(own(&some, PROXY, &proxies), None, "proxies alone");
    assert_eq!((own(&some, PROXY, &[]), own(&any, STRANGER, &[])), (None, None), "nothing is said");
    assert_eq!(own(&any, STRANGER, &[("x-forwarded-for", " ,")]), None, "nothing is said");
    assert_eq!(own(&any, STRANGER, &told).as_deref(), Some("203.0.113.7"));
    assert_eq!(own(&Trust::default(), PROXY, &[]).as_deref(), Some(PROXY));
}
