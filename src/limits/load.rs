//! How much work is taken in concurrently: requests that need the database, and the bytes of bodies that are gathered
//! for them.
//!
//! Promises: neither more work nor more bytes than the bounds; a bounded number of requests waits for a permit, for a
//! second at most; the rest is shed; no client takes all bytes. Leaves out: redirects of cached links, which need no
//! permit.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::Subject;

/// How long a request waits for a permit.
const WAIT: Duration = Duration::from_secs(1);
/// Bytes of bodies in memory at most, and those of one client among them.
const BODY_BYTES: usize = 64 * 1024 * 1024;
const CLIENT_BYTES: usize = BODY_BYTES / 4;
/// Bodies up to this size are not counted: the number of connections bounds them.
pub const SMALL_BODY: usize = 16 * 1024;

/// Why a request was shed.
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
    permits: Arc<Semaphore>,
    waiting: Semaphore,
    bodies: Mutex<Bodies>,
    shed: [AtomicU64; 2],
}

/// Bytes of bodies in memory.
#[derive(Debug, Default)]
struct Bodies {
    all: usize,
    of_client: HashMap<Subject, usize>,
}

/// Bytes of a body in memory, given back when it is dropped.
#[derive(Debug)]
pub struct BodyBytes<'a> {
    load: &'a Load,
    client: Option<Subject>,
    bytes: usize,
    counted: usize,
}

impl Load {
    /// So many concurrent requests; as many wait.
    pub fn new(requests: usize) -> Self {
        let requests = requests.min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(requests)),
            waiting: Semaphore::new(requests),
            bodies: Mutex::default(),
            shed: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// A permit to use the database; none if it does not come in time.
    pub async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permits = || Arc::clone(&self.permits);
        if let Ok(permit) = permits().try_acquire_owned() {
            return Some(permit);
        }
        let waited = match self.waiting.try_acquire() {
            Ok(_waiting) => timeout(WAIT, permits().acquire_owned()).await.ok().and_then(Result::ok),
            Err(_) => None,
        };
        if waited.is_none() {
            self.count(Shed::Requests);
        }
        waited
    }

    /// Room for a client's body, which grows as it arrives.
    pub fn body(&self, client: Option<Subject>) -> BodyBytes<'_> {
        BodyBytes { load: self, client, bytes: 0, counted: 0 }
    }

    /// How many requests were shed for this reason.
    pub fn shed(&self, reason: Shed) -> u64 {
        self.shed[reason as usize].load(Ordering::Relaxed)
    }

    fn count(&self, reason: Shed) {
        self.shed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Bodies {
    /// Takes more bytes; answers whether all still fit.
    fn add(&mut self, client: Option<Subject>, bytes: usize) -> bool {
        self.all += bytes;
        let of_client = client.map_or(0, |client| {
            let held = self.of_client.entry(client).or_default();
            *held += bytes;
            *held
        });
        self.all <= BODY_BYTES && of_client <= CLIENT_BYTES
    }

    fn remove(&mut self, client: Option<Subject>, bytes: usize) {
        self.all -= bytes;
        let Some(client) = client else { return };
        if let Some(held) = self.of_client.get_mut(&client) {
            *held -= bytes;
            if *held == 0 {
                self.of_client.remove(&client);
            }
        }
    }
}

impl BodyBytes<'_> {
    /// Makes room for more bytes; answers whether there was any.
    pub fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        if self.bytes <= SMALL_BODY {
            return true;
        }
        let new = self.bytes - self.counted;
        self.counted = self.bytes;
        let fits = self.load.bodies.lock().unwrap_or_else(PoisonError::into_inner).add(self.client, new);
        if !fits {
            self.load.count(Shed::Bodies);
        }
        fits
    }
}

impl Drop for BodyBytes<'_> {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.load.bodies.lock().unwrap_or_else(PoisonError::into_inner).remove(self.client, self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_permit_comes_in_time_or_not_at_all() {
        let load = Load::new(1);
        let first = load.permit().await.unwrap();
        // One waits; the next may not even wait and is shed immediately.
        let (waited, refused) = tokio::join!(load.permit(), load.permit());
        assert!(waited.is_none() && refused.is_none() && load.shed(Shed::Requests) == 2);
        let (waited, ()) = tokio::join!(load.permit(), async { drop(first) });
        assert!(waited.is_some());
    }

    #[test]
    fn large_bodies_are_bounded_together_and_for_each_client() {
        let load = Load::new(1);
        let client = |nth: u8| Some(Subject::of_address([192, 0, 2, nth].into()));
        let mut bodies: Vec<_> = (0..4).map(|nth| load.body(client(nth))).collect();
        assert!(bodies[0].grow(CLIENT_BYTES));
        assert!(!load.body(client(0)).grow(SMALL_BODY + 1), "this client has its share");
        assert!(load.body(client(0)).grow(SMALL_BODY) && bodies[1..].iter_mut().all(|body| body.grow(CLIENT_BYTES)));
        assert!(!load.body(client(9)).grow(SMALL_BODY + 1) && !load.body(None).grow(SMALL_BODY + 1));
        assert_eq!(load.shed(Shed::Bodies), 3);
        drop(bodies);
        assert!(load.body(None).grow(BODY_BYTES) && load.bodies.lock().unwrap().of_client.is_empty());
    }
}
