//! The client that a rate limit counts: the user whose key asks, else a network.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use crate::domain::UserId;

/// The client that a rate limit counts. Its `Debug` output tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The network that one client has to itself.
    Network(IpNet),
    /// The user whose key asks, however many keys they have.
    User(UserId),
}

impl Subject {
    /// The network of an address.
    pub fn of_address(address: IpAddr) -> Self {
        Self::Network(network_of(address))
    }
}

/// The network that the client of an address has to itself: an IPv4 address alone, of an IPv6 address the first 64
/// bits.
pub fn network_of(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let own = IpNet::from(address);
    if address.is_ipv6() { wider(own, 64) } else { own }
}

/// The network of `bits` bits around another; the same if it is as wide already.
pub(super) fn wider(network: IpNet, bits: u8) -> IpNet {
    IpNet::new(network.addr(), bits).map_or(network, |wider| wider.trunc())
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_client_are_one_subject() {
        let of = |address: &str| Subject::of_address(address.parse().unwrap());
        assert_eq!((of("2001:db8::1"), of("::ffff:203.0.113.1")), (of("2001:db8::ffff:1:2:3"), of("203.0.113.1")));
        assert!(of("2001:db8::1") != of("2001:db8:0:1::1") && of("203.0.113.1") != of("203.0.113.2"));
        assert!(!format!("{:?}", of("203.0.113.1")).contains("203"));
    }
}
