//! The share that each client has of the queue: what one sends must not push out what the others do.

use std::{
    hash::BuildHasher as _,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use foldhash::fast::RandomState;

/// Clients are told apart by this many slots; those of one slot share its part.
const SLOTS: usize = 1_024;
/// The part of the queue that one slot may take once the queue is half full.
const PART: usize = 16;

/// The slot of a client; none if no client can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientSlot(Option<u16>);

/// Bytes of each slot's clicks.
#[derive(Debug)]
pub(super) struct Shares {
    hasher: RandomState,
    bytes: Box<[AtomicUsize]>,
}

impl Default for Shares {
    fn default() -> Self {
        Self { hasher: RandomState::default(), bytes: (0..SLOTS).map(|_| AtomicUsize::new(0)).collect() }
    }
}

impl Shares {
    /// The slot of an address; of IPv6 the first 64 bits count.
    pub(super) fn slot(&self, address: Option<IpAddr>) -> ClientSlot {
        let network = |address: IpAddr| match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        // The remainder is below SLOTS.
        ClientSlot(address.map(|address| (self.hasher.hash_one(network(address)) % SLOTS as u64) as u16))
    }

    /// Whether a client may add `bytes` to a queue that has `taken` of `bound` with them; they are added if it may.
    pub(super) fn add(&self, ClientSlot(slot): ClientSlot, bytes: usize, taken: usize, bound: usize) -> bool {
        let Some(slot) = slot else { return true };
        let of_client = self.bytes[usize::from(slot)].fetch_add(bytes, Ordering::Relaxed) + bytes;
        let fits = taken <= bound / 2 || of_client <= bound / PART;
        if !fits {
            self.remove(ClientSlot(Some(slot)), bytes);
        }
        fits
    }

    /// Takes out what was added.
    pub(super) fn remove(&self, ClientSlot(slot): ClientSlot, bytes: usize) {
        if let Some(slot) = slot {
            self.bytes[usize::from(slot)].fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: usize = 1_600;

    #[test]
    fn one_client_takes_half_of_the_queue_and_leaves_the_rest_to_others() {
        let shares = Shares::default();
        let client = |nth: u8| shares.slot(Some([203, 0, 113, nth].into()));
        let (mut taken, mut flood) = (0, 0);
        for _ in 0..BOUND {
            if shares.add(client(1), 1, taken + 1, BOUND) {
                (taken, flood) = (taken + 1, flood + 1);
            }
        }
        assert_eq!(flood, BOUND / 2);
        let other = (2..=255).map(client).find(|slot| *slot != client(1)).unwrap();
        let admitted = (0..BOUND).filter(|_| shares.add(other, 1, BOUND / 2 + 1, BOUND)).count();
        assert_eq!(admitted, BOUND / PART);
        shares.remove(client(1), flood);
        assert!(shares.add(client(1), 1, BOUND, BOUND), "it has its part again");
        assert!(shares.add(shares.slot(None), 1, BOUND, BOUND), "without an address there is no client");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let shares = Shares::default();
        let slot = |address: &str| shares.slot(Some(address.parse().unwrap()));
        assert_eq!(slot("2001:db8::1"), slot("2001:db8::ffff:1"));
    }
}
