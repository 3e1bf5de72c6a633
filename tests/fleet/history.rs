//! What a link has been, so that an answer can be told from a stale one.
//!
//! A read may show any state from the last one whose change was answered before the read began (by `slack`, if a
//! replica is allowed to lag) to the last one whose change was begun before the read ended. Anything else is stale.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A link's target; none while it is inactive or after it was deleted.
pub(crate) type State = Option<String>;

/// The states of one link in their order.
pub(crate) struct History {
    states: Mutex<Vec<Entry>>,
}

struct Entry {
    state: State,
    answered: Option<Instant>,
}

/// A read that has begun: the oldest state that it may show.
pub(crate) struct Read(usize);

impl History {
    /// The history of a link that has just been created.
    pub(crate) fn new(state: State) -> Self {
        Self { states: Mutex::new(vec![Entry { state, answered: Some(Instant::now()) }]) }
    }

    /// Notes that a change to `state` is about to be sent.
    pub(crate) fn begin(&self, state: State) {
        self.lock().push(Entry { state, answered: None });
    }

    /// Notes that the last change was answered.
    pub(crate) fn answered(&self) {
        if let Some(last) = self.lock().last_mut() {
            last.answered = Some(Instant::now());
        }
    }

    /// Notes that a read begins.
    pub(crate) fn read(&self, slack: Duration) -> Read {
        let now = Instant::now();
        let is_settled = |entry: &Entry| entry.answered.is_some_and(|answered| answered + slack <= now);
        Read(self.lock().iter().rposition(is_settled).unwrap_or(0))
    }

    /// Whether a read that shows `seen` is true.
    pub(crate) fn allows(&self, read: &Read, seen: &State) -> bool {
        self.lock()[read.0..].iter().any(|entry| entry.state == *seen)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
