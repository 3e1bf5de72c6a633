//! The replicas' connections to the database: so many each, and whoever finds none free waits in line.

use std::collections::VecDeque;

use nexosim::{model::Model, ports::Output};
use serde::{Deserialize, Serialize};

use super::station::Job;

/// The pools of all replicas. Requests come here when the processors have done with them; one that asks statements of the database goes
/// back with a connection, which it keeps until the last of them is answered.
#[derive(Serialize, Deserialize)]
pub struct Pools {
    /// Requests with a connection, to the processors.
    pub asking: Output<Job>,
    /// Requests that are done.
    pub done: Output<Job>,
    pools: Vec<Pool>,
    turn: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pool {
    free: u32,
    waiting: VecDeque<Job>,
}

#[Model]
impl Pools {
    /// So many `connections` for each of the replicas.
    pub fn new(replicas: u32, connections: u32) -> Self {
        let pool = Pool { free: connections.max(1), waiting: VecDeque::new() };
        Self {
            asking: Output::default(),
            done: Output::default(),
            pools: vec![pool; replicas.max(1) as usize],
            turn: 0,
        }
    }

    /// A request has been served by the processors.
    pub async fn served(&mut self, mut job: Job) {
        let replica = match job.holds.take() {
            Some(replica) => {
                self.pools[replica].free += 1;
                self.done.send(job).await;
                replica
            }
            None if job.statements == 0 => return self.done.send(job).await,
            None => {
                // As Nginx does: the replicas in turn.
                self.turn = (self.turn + 1) % self.pools.len();
                self.pools[self.turn].waiting.push_back(job);
                self.turn
            }
        };
        let pool = &mut self.pools[replica];
        while pool.free > 0
            && let Some(job) = pool.waiting.pop_front()
        {
            pool.free -= 1;
            let asking = Job { hops: job.statements, statements: 0, work: job.statement, holds: Some(replica), ..job };
            self.asking.send(asking).await;
        }
    }
}
