//! The replicas known to be alive, and the changes that they have yet to acknowledge.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

/// What this process knows of the others.
#[derive(Debug)]
pub struct Peers {
    own: String,
    next_number: AtomicU64,
    state: Mutex<State>,
    heard: Mutex<Instant>,
}

#[derive(Debug, Default)]
struct State {
    live: HashSet<String>,
    awaited: HashMap<u64, Awaited>,
}

/// A change that some replicas have yet to acknowledge.
#[derive(Debug)]
struct Awaited {
    missing: HashSet<String>,
    done: oneshot::Sender<()>,
}

/// A wait for the acknowledgements of one change.
#[derive(Debug)]
pub struct Receipt {
    number: u64,
    done: oneshot::Receiver<()>,
    peers: Arc<Peers>,
}

impl Peers {
    /// A process without peers yet.
    pub(super) fn new() -> Self {
        let own = format!("{:032x}", rand::random::<u128>());
        Self { own, next_number: AtomicU64::new(1), state: Mutex::default(), heard: Mutex::new(Instant::now()) }
    }

    /// What this process is called among its peers: a random name, new with each start.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// Replicas known to be alive, this one not counted.
    pub fn count(&self) -> usize {
        self.state().live.len()
    }

    /// How long ago it was last known that changes are heard of.
    pub fn since_heard(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Takes note that changes are heard of now.
    pub(crate) fn hears(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Begins to wait for all live replicas, before the change is announced; none if there are none.
    pub(super) fn expect(self: &Arc<Self>) -> (u64, Option<Receipt>) {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        if state.live.is_empty() {
            return (number, None);
        }
        let (sender, done) = oneshot::channel();
        let missing = state.live.clone();
        state.awaited.insert(number, Awaited { missing, done: sender });
        (number, Some(Receipt { number, done, peers: Arc::clone(self) }))
    }

    /// Takes note that `peer` has acknowledged changes of this process.
    pub(crate) fn acknowledged(&self, peer: &str, numbers: &[u64]) {
        let mut state = self.state();
        for number in numbers {
            if let Some(awaited) = state.awaited.get_mut(number) {
                awaited.missing.remove(peer);
                if awaited.missing.is_empty()
                    && let Some(awaited) = state.awaited.remove(number)
                {
                    // The waiting caller may have given up.
                    awaited.done.send(()).ok();
                }
            }
        }
    }

    /// Takes note that a replica has come.
    pub(crate) fn came(&self, peer: &str) {
        if peer != self.own {
            self.state().live.insert(peer.to_owned());
        }
    }

    /// Takes note that a replica has gone: its receipt is no longer awaited.
    pub(crate) fn went(&self, peer: &str) {
        let mut state = self.state();
        state.live.remove(peer);
        let awaiting: Vec<u64> = state.awaited.keys().copied().collect();
        drop(state);
        self.acknowledged(peer, &awaiting);
    }

    /// Takes note of everybody who is alive.
    pub(crate) fn set_live(&self, mut live: HashSet<String>) {
        live.remove(&self.own);
        let gone: Vec<String> = self.state().live.difference(&live).cloned().collect();
        gone.iter().for_each(|peer| self.went(peer));
        self.state().live = live;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receipt {
    /// Waits until every live replica has acknowledged, for `limit` at most; answers whether they have.
    pub async fn wait(mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, &mut self.done).await.is_ok()
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.peers.state().awaited.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(10);

    fn live(names: &[&str]) -> HashSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_waits_for_every_live_replica() {
        let peers = Arc::new(Peers::new());
        assert!(peers.expect().1.is_none());
        peers.set_live(live(&["a", "b"]));
        let (number, receipt) = peers.expect();
        peers.acknowledged("a", &[number]);
        assert!(!receipt.unwrap().wait(LIMIT).await);
        let (number, receipt) = peers.expect();
        peers.acknowledged("a", &[number]);
        peers.acknowledged("b", &[number]);
        assert!(receipt.unwrap().wait(LIMIT).await);
        assert!(peers.state().awaited.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_replica_that_has_gone() {
        let peers = Arc::new(Peers::new());
        peers.came("a");
        peers.came("b");
        let (number, receipt) = peers.expect();
        peers.acknowledged("a", &[number]);
        peers.set_live(live(&["a"]));
        assert!(receipt.unwrap().wait(LIMIT).await);
        assert_eq!(peers.count(), 1);
    }
}
