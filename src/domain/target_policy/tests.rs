//! Targets that are allowed and refused, in every notation that browsers take.

use proptest::prelude::*;

use super::*;

fn policy() -> TargetPolicy {
    TargetPolicy {
        blocked: "evil.example, *.Worse.Example., bücher.example,9.9.9.9".parse().unwrap(),
        own: vec!["Go.Buoy.Example".parse().unwrap()],
        allow_private: false,
    }
}

fn check(policy: &TargetPolicy, target: &str) -> Result<(), Invalid> {
    policy.check(&TargetUrl::parse(target).unwrap_or_else(|fault| panic!("{target}: {fault}")))
}

#[test]
fn blocked_hosts_are_blocked_however_they_are_written() {
    for host in [
        "evil.example",
        "EVIL.Example",
        "evil.example.",
        "evil.example..",
        "www.evil.example",
        "a.b.evil.example:8443",
        "ev%69l.example",
        "ｅｖｉｌ.example",
        "evil。example",
        "worse.example",
        "sub.worse.example",
        "bücher.example",
        "BÜCHER.example",
        "bu\u{308}cher.example",
        "xn--bcher-kva.example",
        "shop.xn--bcher-kva.example",
        "9.9.9.9",
        "0x09090909",
        "[::ffff:9.9.9.9]",
        "[64:ff9b::909:909]",
    ] {
        assert_eq!(check(&policy(), &format!("https://{host}/x")), Err(BLOCKED), "{host}");
    }
    for host in ["notevil.example", "evil.example.com", "example", "evil-example.com", "9.9.9.10", "bucher.example"] {
        assert_eq!(check(&policy(), &format!("https://{host}/evil.example")), Ok(()), "{host}");
    }
}

#[test]
fn loops_are_refused() {
    for host in ["go.buoy.example", "GO.BUOY.EXAMPLE.", "go.buoy.example:8080"] {
        assert_eq!(check(&policy(), &format!("http://{host}/abc")), Err(OWN), "{host}");
    }
    assert_eq!(check(&policy(), "https://www.go.buoy.example/"), Ok(()));
    assert_eq!(check(&policy(), "https://buoy.example/"), Ok(()));
}

/// Hosts that only this machine or its network can reach, or none.
const PRIVATE_HOSTS: &[&str] = &[
    "localhost",
    "LocalHost.",
    "app.localhost",
    "metadata.google.internal",
    "internal",
    "printer.local",
    "router.home.arpa",
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.0.1..",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.1",
    "0177.0.0.1",
    "017700000001",
    "0x7f.0.0.0x1",
    "%31%32%37.0.0.1",
    "１２７.０.０.１",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "0xc0a80101",
    "169.254.169.254",
    "2852039166",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::8.8.8.8]",
    "[2002:7f00:1::]",
    "[2002:c0a8:101::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
];

#[test]
fn private_targets_are_refused_however_they_are_written() {
    let open = TargetPolicy { allow_private: true, ..policy() };
    for host in PRIVATE_HOSTS {
        for target in [format!("http://{host}"), format!("https://{host}:8443/x?y#z")] {
            assert_eq!(check(&policy(), &target), Err(PRIVATE), "{target}");
            assert_eq!(check(&open, &target), Ok(()), "{target}");
        }
    }
}

#[test]
fn public_targets_are_allowed() {
    for target in [
        "https://example.com",
        "http://8.8.8.8/",
        "http://134744072/",
        "http://[2606:4700::1111]:8080/'\"<>",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::808:808]/",
        "https://例え.jp/道?x=ü",
        "https://localhost.example/",
        "https://mylocalhost/",
        "https://internal.example.com/?next=http://127.0.0.1",
        "https://127.0.0.1.example/",
        "https://example.com/http://localhost",
    ] {
        assert_eq!(check(&policy(), target), Ok(()), "{target}");
    }
}

#[test]
fn what_resolves_is_judged_as_well() {
    let admits = |address: &str| policy().admits(address.parse().unwrap());
    assert!(admits("8.8.8.8") && admits("2606:4700::1111"));
    assert!(!admits("9.9.9.9") && !admits("::ffff:9.9.9.9") && !admits("10.0.0.1") && !admits("::1"));
    let open = TargetPolicy { allow_private: true, ..policy() };
    assert!(open.admits("127.0.0.1".parse().unwrap()) && !open.admits("9.9.9.9".parse().unwrap()));
}

#[test]
fn a_list_of_hosts_has_hosts_in_it() {
    for bad in
        ["?!", "https://evil.example", "evil.example/path", "evil.example:80", "a b", "evil.example,.", "*.", "::g"]
    {
        assert!(bad.parse::<HostList>().is_err(), "{bad}");
    }
    assert_eq!("a.example,, b.example ,".parse::<HostList>(), "b.example,a.example".parse::<HostList>().map(reversed));
    assert!("::1, [::2],127.0.0.1".parse::<HostList>().is_ok());
}

fn reversed(list: HostList) -> HostList {
    HostList(list.0.into_iter().rev().collect())
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,60}", host in "[a-zA-Z0-9.:\\[\\]%xX。．ü-]{0,40}") {
        for text in [text.clone(), format!("http://{text}"), format!("https://{host}/{text}")] {
            if let Ok(target) = TargetUrl::parse(text.as_str()) {
                prop_assert_eq!(target.as_str(), text.as_str());
                // What is allowed is still what a browser reads there.
                if policy().check(&target).is_ok() {
                    let again = TargetUrl::parse(target.as_str()).unwrap();
                    prop_assert_eq!(again.as_str().as_bytes(), text.as_bytes());
                }
            }
        }
        let _ = host.parse::<HostList>();
    }

    #[test]
    fn no_notation_of_a_private_address_passes(last in any::<[u8; 3]>(), form in 0..5) {
        let [b, c, d] = last;
        let number = u32::from_be_bytes([127, b, c, d]);
        let host = match form {
            0 => format!("127.{b}.{c}.{d}"),
            1 => number.to_string(),
            2 => format!("{number:#x}"),
            3 => format!("0{number:o}"),
            _ => format!("[::ffff:127.{b}.{c}.{d}]"),
        };
        prop_assert_eq!(check(&policy(), &format!("http://{host}/")), Err(PRIVATE));
    }
}
