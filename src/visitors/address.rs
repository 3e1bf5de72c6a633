//! Addresses made anonymous, and in one length to be hashed.

use std::net::{IpAddr, Ipv6Addr};

/// Adds the network that an address is in to a text: 24 bits of IPv4, 48 of IPv6, which many share.
pub(super) fn push_network(text: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            // Without `Display`, which takes longer than the rest of a click's details.
            for octet in &address.octets()[..3] {
                text.push_str(itoa::Buffer::new().format(*octet));
                text.push('.');
            }
            text.push_str("0/24");
        }
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80));
            text.push_str(&format!("{network}/48"));
        }
    }
}

/// The address in 16 bytes, IPv4 as IPv6 has it.
pub(super) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_does_not_tell_the_host() {
        for (address, expected) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("255.255.255.255", "255.255.255.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("::1", "::/48"),
        ] {
            let mut text = String::new();
            push_network(&mut text, address.parse().unwrap());
            assert_eq!(text, expected);
        }
    }
}
