//! One thing at a time for each client: its next one waits for the last, for a bounded time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::Subject;

/// How long a client's next request waits for the last.
const WAIT: Duration = Duration::from_secs(1);

/// The clients that are at it.
#[derive(Debug, Clone, Default)]
pub struct Exclusive(Arc<Mutex<HashMap<Subject, Arc<Semaphore>>>>);

/// Keeps a client's next request waiting until it is dropped.
#[derive(Debug)]
pub struct Held {
    client: Subject,
    clients: Exclusive,
    permit: Option<OwnedSemaphorePermit>,
}

impl Exclusive {
    /// Waits for the client's last request; none if that takes too long.
    pub async fn hold(&self, client: Subject) -> Option<Held> {
        // Made first: it lets the client's entry go, however the wait ends.
        let mut held = Held { client, clients: self.clone(), permit: None };
        let semaphore = Arc::clone(self.clients().entry(client).or_insert_with(|| Arc::new(Semaphore::new(1))));
        held.permit = timeout(WAIT, semaphore.acquire_owned()).await.ok().and_then(Result::ok);
        held.permit.is_some().then_some(held)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Subject, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.permit = None;
        let mut clients = self.clients.clients();
        // Those who hold or wait have a clone.
        if clients.get(&self.client).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            clients.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;

    #[tokio::test(start_paused = true)]
    async fn a_client_waits_for_itself_alone() {
        let exclusive = Exclusive::default();
        let (ann, bob) = (Subject::User(UserId(1)), Subject::User(UserId(2)));
        let first = exclusive.hold(ann).await.unwrap();
        assert!(exclusive.hold(bob).await.is_some() && exclusive.hold(ann).await.is_none());
        let (second, ()) = tokio::join!(exclusive.hold(ann), async { drop(first) });
        assert!(second.is_some());
        drop(second);
        assert!(exclusive.clients().is_empty());
    }
}
