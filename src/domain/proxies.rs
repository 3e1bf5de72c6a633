//! Which machines are believed when they say who asked: the operator's word for the proxies in front of the service.

use std::{net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks that the word `private` stands for: those that no router of the internet passes on, this machine's own,
/// and what providers use inside (RFC 1918, 6598, 3927, 4193, 4291).
const PRIVATE: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

/// The proxies in front of the service; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    any_peer: bool,
}

/// The text does not say which proxies are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected addresses or networks, `private` or `any`, separated by commas")]
pub struct NoProxies;

impl TrustedProxies {
    /// Whether the peer of the connection is a trusted proxy.
    pub fn trust_peer(&self, address: IpAddr) -> bool {
        self.any_peer || self.trust_hop(address)
    }

    /// Whether an address that a proxy names is one of a proxy. `any` does not count here: it would make every client
    /// a proxy, and whatever it claims the truth.
    pub fn trust_hop(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = NoProxies;

    /// Reads addresses, networks as `10.0.0.0/8`, `private`, and `any`, separated by commas. A network of all
    /// addresses is refused: `any` says that, and keeps lists of proxies safe.
    fn from_str(text: &str) -> Result<Self, NoProxies> {
        let mut proxies = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "any" => proxies.any_peer = true,
                "private" => {
                    proxies.networks.extend(PRIVATE.iter().filter_map(|network| network.parse::<IpNet>().ok()))
                }
                word => proxies.networks.push(network(word).ok_or(NoProxies)?),
            }
        }
        Ok(proxies)
    }
}

fn network(word: &str) -> Option<IpNet> {
    let network = match word.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => word.parse().ok()?,
    };
    let network = match network {
        // Addresses are compared in their canonical form.
        IpNet::V6(mapped) if mapped.addr().to_ipv4_mapped().is_some() && mapped.prefix_len() >= 96 => {
            Ipv4Net::new(mapped.addr().to_ipv4_mapped()?, mapped.prefix_len() - 96).ok()?.into()
        }
        network => network,
    };
    (network != IpNet::V4(Ipv4Net::default()) && network != IpNet::V6(Ipv6Net::default()) && network.prefix_len() > 0)
        .then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(proxies: &str, address: &str) -> bool {
        proxies.parse::<TrustedProxies>().unwrap().trust_hop(address.parse().unwrap())
    }

    #[test]
    fn nothing_is_trusted_by_default() {
        let proxies = TrustedProxies::default();
        for address in ["127.0.0.1", "10.0.0.1", "::1"] {
            let address = address.parse().unwrap();
            assert!(!proxies.trust_peer(address) && !proxies.trust_hop(address), "{address}");
        }
    }

    #[test]
    fn addresses_and_networks_are_compared() {
        for (proxies, address, expected) in [
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.7", "::ffff:10.0.0.7", true),
            ("::ffff:10.0.0.7", "10.0.0.7", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("10.0.0.7/8", "10.200.0.1", true),
            ("192.0.2.1, 2001:db8::/32", "2001:db8:1::1", true),
            ("192.0.2.1 ,2001:db8::/32", "2001:db9::1", false),
            ("private", "172.18.0.5", true),
            ("private", "172.32.0.5", false),
            ("private", "fd00::5", true),
            ("private", "127.0.0.1", true),
            ("private", "203.0.113.1", false),
        ] {
            assert_eq!(hop(proxies, address), expected, "{proxies}: {address}");
        }
    }

    #[test]
    fn any_is_about_the_peer_alone() {
        let any: TrustedProxies = "any".parse().unwrap();
        let address = "203.0.113.1".parse().unwrap();
        assert!(any.trust_peer(address) && !any.trust_hop(address));
    }

    #[test]
    fn private_stands_for_every_network_of_the_list() {
        assert_eq!("private".parse::<TrustedProxies>().unwrap().networks.len(), PRIVATE.len());
    }

    #[test]
    fn what_names_no_proxy_is_refused() {
        for text in [
            "",
            ",",
            "10.0.0.1,",
            "proxy",
            "10.0.0.0/33",
            "10.0.0",
            "0.0.0.0/0",
            "::/0",
            "::ffff:0.0.0.0/96",
            "10.0.0.1/0",
            "Any",
        ] {
            assert_eq!(text.parse::<TrustedProxies>(), Err(NoProxies), "{text}");
        }
    }
}
