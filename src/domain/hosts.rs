//! Hosts of this service, and who asks for one of them.
//!
//! A page on a foreign site can make a browser send requests to any address, this machine's included, and a foreign
//! name can be made to lead here after the browser has looked it up once (DNS rebinding). Both show in the request:
//! the first in `Origin`, the second in `Host`, which holds the foreign name. An address instead of a name cannot be
//! rebound.

use std::{fmt, str::FromStr};

use super::text::Invalid;

/// Names of hosts in their canonical form: lower case, international names in ASCII, no dot at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames(Vec<String>);

impl HostNames {
    /// The same and one more.
    #[must_use]
    pub fn and(mut self, host: Option<&str>) -> Self {
        self.0.extend(host.and_then(canonical));
        self
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether an authority (`name`, `name:port`, `[::1]:port`) is a host of this service: one of these names, an IP
    /// address, or `localhost` and what ends in it.
    pub fn know(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else { return false };
        match url::Host::parse(host) {
            Ok(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
            Ok(url::Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                name == "localhost" || name.ends_with(".localhost") || self.0.iter().any(|own| own == name)
            }
            Err(_) => false,
        }
    }

    /// Whether a page of this origin (the value of `Origin`) is this service's own: it has the authority that was
    /// asked, or one of these names.
    pub fn own(&self, origin: &str, asked: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let named = || host_of(authority).and_then(canonical).is_some_and(|name| self.0.contains(&name));
        web && (authority.eq_ignore_ascii_case(asked) || named())
    }
}

impl FromStr for HostNames {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = names.map(|name| canonical(name).ok_or(Invalid("must be names of hosts, separated by commas")));
        names.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for HostNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

fn canonical(name: &str) -> Option<String> {
    let host = url::Host::parse(name).ok()?.to_string();
    let host = host.trim_end_matches('.');
    (!host.is_empty()).then(|| host.to_owned())
}

/// An authority without its port; none if there is more to it.
fn host_of(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (is_port && !host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_and_own_names_are_known_and_no_others() {
        let hosts: HostNames = "Go.Example.com, bücher.example.".parse().unwrap();
        for known in [
            "go.example.com",
            "GO.example.com.:8080",
            "xn--bcher-kva.example",
            "localhost:8080",
            "x.localhost",
            "127.0.0.1:8080",
            "[::1]:80",
            "203.0.113.7",
        ] {
            assert!(hosts.know(known), "{known}");
        }
        for foreign in [
            "",
            "evil.example",
            "go.example.com.evil.example",
            "localhost.evil.example",
            "a@b",
            "::1",
            "x:99999",
            "[::1",
        ] {
            assert!(!hosts.know(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_origin_is_own_where_it_is_what_was_asked() {
        let hosts: HostNames = "go.example.com".parse().unwrap();
        assert!(hosts.own("http://localhost:8080", "localhost:8080"));
        assert!(hosts.own("https://go.example.com", "127.0.0.1:8080"));
        for foreign in ["null", "http://localhost:3000", "http://evil.example", "file://localhost:8080", "", "http://"]
        {
            assert!(!hosts.own(foreign, "localhost:8080"), "{foreign}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        assert!("a.example,https://b.example".parse::<HostNames>().is_err());
        assert!("a b".parse::<HostNames>().is_err());
        assert_eq!("".parse::<HostNames>(), Ok(HostNames::default()));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(authority in "\\PC{0,40}", origin in "\\PC{0,40}") {
            let hosts = HostNames::default();
            hosts.know(&authority);
            hosts.own(&origin, &authority);
        }
    }
}
