//! A station: processors that serve requests in the order of their arrival.

use std::{collections::VecDeque, time::Duration};

use nexosim::{
    Message,
    model::{Context, Model, schedulable},
    ports::Output,
    time::MonotonicTime,
};
use rand::{SeedableRng as _, rngs::SmallRng};
use rand_distr::{Distribution as _, Exp1};
use serde::{Deserialize, Serialize};

/// A request on its way.
#[derive(Debug, Clone, Copy, Message, Serialize, Deserialize)]
pub struct Job {
    /// When its user sent it.
    pub sent: MonotonicTime,
}

/// Processors with one queue; service times are exponential.
#[derive(Serialize, Deserialize)]
pub struct Station {
    /// Where served requests go.
    pub output: Output<Job>,
    servers: u32,
    busy: u32,
    mean: f64,
    waiting: VecDeque<Job>,
    draws: u64,
}

#[Model]
impl Station {
    /// A station of `servers` processors, each of which takes `mean` seconds for a request.
    pub fn new(servers: u32, mean: f64) -> Self {
        Self { output: Output::default(), servers, busy: 0, mean, waiting: VecDeque::new(), draws: 0 }
    }

    /// A request comes in.
    pub fn arrive(&mut self, job: Job, context: &Context<Self>) {
        if self.busy < self.servers {
            self.busy += 1;
            self.begin(job, context);
        } else {
            self.waiting.push_back(job);
        }
    }

    /// A request is served.
    #[nexosim(schedulable)]
    async fn finish(&mut self, job: Job, context: &Context<Self>) {
        match self.waiting.pop_front() {
            Some(next) => self.begin(next, context),
            None => self.busy -= 1,
        }
        self.output.send(job).await;
    }

    fn begin(&mut self, job: Job, context: &Context<Self>) {
        // Drawn from a counter, so that a model is all state and a run can be repeated.
        self.draws += 1;
        let draw: f64 = Exp1.sample(&mut SmallRng::seed_from_u64(self.draws));
        let service = Duration::from_secs_f64(self.mean * draw).max(Duration::from_nanos(1));
        // A time after now can always be scheduled.
        context.schedule_event(service, schedulable!(Self::finish), job).ok();
    }
}
