//! How much work is taken in at once: requests that need the database, and the bytes of bodies that are gathered for them.
//!
//! Promises: neither more work nor more bytes than the bounds, a bounded number of requests that wait for a turn, for a second at most;
//! the rest is told to come back. Leaves out: redirects from memory, which take no turn.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// How long a request waits for its turn.
const WAIT: Duration = Duration::from_secs(1);
/// Bytes of bodies in memory at most.
const BODY_BYTES: usize = 64 * 1024 * 1024;

/// Why a request was sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// Too many are at work.
    Requests,
    /// Bodies take too much memory.
    Bodies,
}

impl Shed {
    /// All of them, each at its own index.
    pub const ALL: [Self; 2] = [Self::Requests, Self::Bodies];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bodies => "bodies",
        }
    }
}

/// What is at work in this process.
#[derive(Debug)]
pub struct Load {
    turns: Semaphore,
    waiting: Semaphore,
    body_bytes: AtomicUsize,
    shed: [AtomicU64; 2],
}

/// Bytes of a body in memory, given back when it is dropped.
#[derive(Debug)]
pub struct BodyBytes<'a> {
    load: &'a Load,
    bytes: usize,
}

impl Load {
    /// So many requests at once; as many wait.
    pub fn new(requests: usize) -> Self {
        let requests = requests.min(Semaphore::MAX_PERMITS);
        Self {
            turns: Semaphore::new(requests),
            waiting: Semaphore::new(requests),
            body_bytes: AtomicUsize::new(0),
            shed: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// A turn at the database; none where it does not come in time.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let waited = match self.waiting.try_acquire() {
            Ok(_place) => timeout(WAIT, self.turns.acquire()).await.ok().and_then(Result::ok),
            Err(_) => None,
        };
        if waited.is_none() {
            self.count(Shed::Requests);
        }
        waited
    }

    /// Room for a body that grows as it arrives.
    pub fn body(&self) -> BodyBytes<'_> {
        BodyBytes { load: self, bytes: 0 }
    }

    /// How many requests were sent away for this reason.
    pub fn shed(&self, reason: Shed) -> u64 {
        self.shed[reason as usize].load(Ordering::Relaxed)
    }

    fn count(&self, reason: Shed) {
        self.shed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl BodyBytes<'_> {
    /// Makes room for more bytes; answers whether there was any.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let before = self.load.body_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        let fits = before + bytes <= BODY_BYTES;
        if !fits {
            self.load.count(Shed::Bodies);
        }
        fits
    }
}

impl Drop for BodyBytes<'_> {
    fn drop(&mut self) {
        self.load.body_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_in_time_or_not_at_all() {
        let load = Load::new(1);
        let first = load.turn().await.unwrap();
        // One waits; the next finds no place to wait at, and is sent away at once.
        let (waited, refused) = tokio::join!(load.turn(), load.turn());
        assert!(waited.is_none() && refused.is_none() && load.shed(Shed::Requests) == 2);
        let (waited, ()) = tokio::join!(load.turn(), async { drop(first) });
        assert!(waited.is_some());
    }

    #[test]
    fn bodies_are_bounded_together() {
        let load = Load::new(1);
        let (mut one, mut other) = (load.body(), load.body());
        assert!(one.grow(BODY_BYTES) && !other.grow(1) && load.shed(Shed::Bodies) == 1);
        drop((one, other));
        assert!(load.body().grow(BODY_BYTES));
    }
}
