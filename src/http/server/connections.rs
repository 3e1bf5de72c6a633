//! Open connections: bounded in number, all together and for each client.
//!
//! Promises: at a bound the connections that were idle the longest are closed first, so that clients that hold
//! connections for nothing keep no one out. A connection is idle from its accept to the end of its first head, and
//! between two requests.

use std::{
    cmp::Reverse,
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use crate::limits::Subject;

/// Which part of all connections one client may have.
const SHARE: usize = 4;
/// Connections that each client may have, however few there may be together.
const LEAST: usize = 16;
/// Which part of a bound is closed when it is reached, so that not every accept looks at all connections.
const BATCH: usize = 64;
/// How often idle connections are looked for while there is no permit.
const LOOK: Duration = Duration::from_millis(100);
/// How often connections are looked for that were idle for too long.
const SWEEP: Duration = Duration::from_millis(500);

/// All open connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    permits: Arc<Semaphore>,
    limit: usize,
    share: usize,
    open: Arc<Mutex<Open>>,
    deadline: CancellationToken,
    /// The zero of the times of activities.
    started: Instant,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Connection>,
    of_client: HashMap<Subject, usize>,
}

#[derive(Debug)]
struct Connection {
    client: Option<Subject>,
    activity: Arc<Activity>,
    closed: CancellationToken,
}

/// A connection's seat among the others, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    activity: Arc<Activity>,
    closed: CancellationToken,
    connections: Connections,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// So many at most; all are closed at the deadline.
    pub(super) fn new(limit: usize, deadline: CancellationToken) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(limit)),
            limit,
            share: (limit / SHARE).max(LEAST),
            open: Arc::default(),
            deadline,
            started: Instant::now(),
        }
    }

    /// A seat for a connection of this client, for which idle ones may be closed. Waits while all are at work; none
    /// if this client has its share and all of it is at work.
    pub(super) async fn admit(&self, client: Option<Subject>) -> Option<Seat> {
        if let Some(client) = client {
            let mut open = self.open();
            if open.count(client) >= self.share && open.close_idle(self.share, |other| other == Some(client)) == 0 {
                return None;
            }
        }
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                break permit;
            }
            self.open().close_idle(self.limit, |_| true);
            if let Ok(permit) = timeout(LOOK, Arc::clone(&self.permits).acquire_owned()).await {
                break permit.ok()?;
            }
        };
        Some(self.seat(client, permit))
    }

    /// Closes connections that are idle for longer than `idle`, or than `head` if no head was complete yet. Never
    /// ends. One timer for all costs a request nothing.
    pub(super) async fn sweep(&self, head: Duration, idle: Duration) -> Infallible {
        loop {
            sleep(SWEEP).await;
            self.open().close_if(|activity| {
                let limit = if activity.requests() == 0 { head } else { idle };
                activity.idle_for().is_some_and(|time| time > limit)
            });
        }
    }

    fn seat(&self, client: Option<Subject>, permit: OwnedSemaphorePermit) -> Seat {
        let (activity, closed) = (Arc::new(Activity::new(self.started)), self.deadline.child_token());
        let connection = Connection { client, activity: Arc::clone(&activity), closed: closed.clone() };
        let id = self.open().insert(connection);
        Seat { id, activity, closed, connections: self.clone(), _permit: permit }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn count(&self, client: Subject) -> usize {
        self.of_client.get(&client).copied().unwrap_or_default()
    }

    fn insert(&mut self, connection: Connection) -> u64 {
        let id = self.next;
        self.next += 1;
        if let Some(client) = connection.client {
            *self.of_client.entry(client).or_default() += 1;
        }
        self.connections.insert(id, connection);
        id
    }

    fn remove(&mut self, id: u64) {
        let Some(connection) = self.connections.remove(&id) else { return };
        connection.closed.cancel();
        let Some(client) = connection.client else { return };
        if let Some(count) = self.of_client.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.of_client.remove(&client);
            }
        }
    }

    fn close_if(&mut self, is_over: impl Fn(&Activity) -> bool) {
        let over: Vec<u64> =
            self.connections.iter().filter(|(_, one)| is_over(&one.activity)).map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.remove(id));
    }

    /// Closes those connections that were idle the longest, a batch of what the bound is; answers how many.
    fn close_idle(&mut self, bound: usize, of: impl Fn(Option<Subject>) -> bool) -> usize {
        let all = self.connections.iter().filter(|(_, connection)| of(connection.client));
        let mut idle: Vec<(Duration, u64)> =
            all.filter_map(|(id, connection)| Some((connection.activity.idle_for()?, *id))).collect();
        let batch = (bound / BATCH).max(1).min(idle.len());
        if batch < idle.len() {
            idle.select_nth_unstable_by_key(batch, |one| Reverse(*one));
        }
        idle[..batch].iter().for_each(|(_, id)| self.remove(*id));
        batch
    }
}

impl Seat {
    /// What the connection does.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }

    /// Ready when the connection is to be closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.open().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn client(address: &str) -> Option<Subject> {
        Some(Subject::of_address(address.parse().unwrap()))
    }

    fn connections(limit: usize) -> Connections {
        Connections::new(limit, CancellationToken::new())
    }

    fn is_closed(seat: &Seat) -> bool {
        seat.closed.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_is_closed_for_the_next_one() {
        let connections = connections(3);
        let mut seats = Vec::new();
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            seats.push(connections.admit(client(address)).await.unwrap());
            sleep(Duration::from_secs(1)).await;
        }
        // The first is at work, the second was used after the third was accepted.
        let _working = seats[0].activity().begin();
        drop(seats[1].activity().begin());
        let (last, _seats) = tokio::join!(connections.admit(client("192.0.2.4")), async {
            while !is_closed(&seats[2]) {
                tokio::task::yield_now().await;
            }
            assert!(!is_closed(&seats[0]) && !is_closed(&seats[1]));
            seats.remove(2);
            seats
        });
        assert!(last.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn while_all_are_at_work_the_next_one_waits() {
        let connections = connections(1);
        let only = connections.admit(None).await.unwrap();
        let working = only.activity().begin();
        assert!(timeout(Duration::from_secs(10), connections.admit(None)).await.is_err());
        let (next, ()) = tokio::join!(connections.admit(None), async {
            drop(working);
            only.closed().await;
            drop(only);
        });
        assert!(next.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_a_share_and_a_trusted_proxy_has_none() {
        let connections = connections(100);
        let mut seats = Vec::new();
        for nth in 0..25 {
            // One network of IPv6 is one client.
            seats.push(connections.admit(client(&format!("2001:db8::{nth}"))).await.unwrap());
            sleep(Duration::from_secs(1)).await;
        }
        let working: Vec<_> = seats.iter().skip(1).map(|seat| seat.activity().begin()).collect();
        let another = connections.admit(client("2001:db8::ffff")).await.unwrap();
        assert!(is_closed(&seats[0]) && !is_closed(&another));
        let at_work = another.activity().begin();
        assert!(connections.admit(client("2001:db8::1")).await.is_none(), "all are at work");
        for _ in 0..30 {
            seats.push(connections.admit(None).await.unwrap());
        }
        assert!(connections.admit(client("192.0.2.1")).await.is_some());
        drop((working, at_work));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_must_come_in_time_and_the_next_ones_later() {
        let connections = connections(3);
        let (head, idle) = (Duration::from_secs(10), Duration::from_secs(75));
        let sweep = async |time| timeout(time, connections.sweep(head, idle)).await.is_err();
        let [silent, used, at_work] = [(); 3].map(|()| connections.admit(None).now_or_never().flatten().unwrap());
        drop(used.activity().begin());
        let _working = at_work.activity().begin();
        assert!(sweep(head).await && !is_closed(&silent));
        assert!(sweep(SWEEP * 2).await && is_closed(&silent) && !is_closed(&used));
        assert!(sweep(idle).await && is_closed(&used) && !is_closed(&at_work));
    }
}
