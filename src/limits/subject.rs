//! Whose budget a request uses: a key's, or that of a network that one client has to itself.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of a subject's hash: enough that no two ever meet.
const HASH_BYTES: usize = 16;

/// Whose budget a request uses. Its `Debug` output says nothing about them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An address: IPv4 as it is, IPv6 the first 64 bits, which one client has to itself.
    Client(IpAddr),
    /// A key, by its id.
    Key(i64),
    /// Everybody for whom there was no room.
    Others,
}

impl Subject {
    /// The subject of an address.
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self::Client(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into()),
            address => Self::Client(address),
        }
    }

    /// What stands for it in the database: a hash under a key that the replicas share, in hexadecimal digits.
    pub(super) fn hash(self, salt: &str) -> String {
        let mut hash = match Hmac::<Sha256>::new_from_slice(salt.as_bytes()) {
            Ok(hash) => hash,
            // HMAC takes keys of any length.
            Err(_) => return String::new(),
        };
        match self {
            Self::Client(IpAddr::V4(address)) => hash.update(&[&[4][..], &address.octets()].concat()),
            Self::Client(IpAddr::V6(address)) => hash.update(&[&[6][..], &address.octets()].concat()),
            Self::Key(id) => hash.update(&[&[1][..], &id.to_be_bytes()].concat()),
            Self::Others => hash.update(&[0]),
        }
        hex::encode(&hash.finalize().into_bytes()[..HASH_BYTES])
    }
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
        assert!(of("2001:db8::1") == of("2001:db8::ffff:1:2:3") && of("2001:db8::1") != of("2001:db8:0:1::1"));
        assert!(of("::ffff:203.0.113.1") == of("203.0.113.1") && of("203.0.113.1") != of("203.0.113.2"));
    }

    #[test]
    fn hashes_tell_subjects_apart_and_nothing_else() {
        let client = Subject::of_address("203.0.113.1".parse().unwrap());
        let all = [client, Subject::of_address("2001:db8::1".parse().unwrap()), Subject::Key(1), Subject::Others];
        let hashes: std::collections::HashSet<String> = all.iter().map(|subject| subject.hash("aa")).collect();
        assert!(hashes.len() == 4 && hashes.iter().all(|hash| hash.len() == 32));
        assert!(client.hash("aa") == client.hash("aa") && client.hash("aa") != client.hash("ab"));
        assert!(!format!("{client:?}").contains("203"));
    }
}
