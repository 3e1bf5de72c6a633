//! A station: processors that serve whoever waits, in no order.

use std::time::Duration;

use nexosim::{
    Message,
    model::{Context, Model, schedulable},
    ports::Output,
    time::MonotonicTime,
};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use rand_distr::{Distribution as _, Exp1};
use serde::{Deserialize, Serialize};

/// A request on its way.
#[derive(Debug, Clone, Copy, Message, Serialize, Deserialize)]
pub struct Job {
    /// When its user sent it.
    pub sent: MonotonicTime,
    /// How often it still needs a processor.
    pub hops: u32,
    /// How long it uses each, in parts of the mean.
    pub work: f64,
    /// Its place among the kinds of requests, and where its step ends.
    pub place: usize,
    /// The end of its step.
    pub end: usize,
}

/// Processors with one crowd before them: schedulers, event loops and locks serve in no order that a client would see. Service times
/// are exponential.
#[derive(Serialize, Deserialize)]
pub struct Station {
    /// Where served requests go.
    pub output: Output<Job>,
    servers: u32,
    busy: u32,
    mean: f64,
    waiting: Vec<Job>,
    draws: u64,
    /// How much longer than the mean services take, second by second.
    slowness: Vec<f64>,
    second: usize,
}

#[Model]
impl Station {
    /// A station of `servers` processors, each of which takes `mean` seconds for a hop, times what `slowness` says of this second, over
    /// and over.
    pub fn new(servers: u32, mean: f64, slowness: Vec<f64>) -> Self {
        let (output, waiting) = (Output::default(), Vec::new());
        Self { output, servers, busy: 0, mean, waiting, draws: 0, slowness, second: 0 }
    }

    /// Seconds pass where they differ.
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>, _: &mut ()) {
        if self.slowness.len() > 1 {
            let second = Duration::from_secs(1);
            context.schedule_periodic_event(second, second, schedulable!(Self::pass), ()).ok();
        }
    }

    /// A second is over.
    #[nexosim(schedulable)]
    async fn pass(&mut self) {
        self.second = (self.second + 1) % self.slowness.len();
    }

    /// A request comes in.
    pub fn arrive(&mut self, job: Job, context: &Context<Self>) {
        self.waiting.push(job);
        self.serve(context);
    }

    /// A hop is done.
    #[nexosim(schedulable)]
    async fn finish(&mut self, mut job: Job, context: &Context<Self>) {
        self.busy -= 1;
        job.hops = job.hops.saturating_sub(1);
        if job.hops > 0 {
            self.waiting.push(job);
        } else {
            self.output.send(job).await;
        }
        self.serve(context);
    }

    fn serve(&mut self, context: &Context<Self>) {
        while self.busy < self.servers && !self.waiting.is_empty() {
            // Drawn from a counter, so that a model is all state and a run can be repeated.
            self.draws += 1;
            let mut random = SmallRng::seed_from_u64(self.draws);
            let job = self.waiting.swap_remove(random.random_range(0..self.waiting.len()));
            let draw: f64 = Exp1.sample(&mut random);
            let slower = self.slowness.get(self.second).copied().unwrap_or(1.0);
            let service = Duration::from_secs_f64(self.mean * job.work * slower * draw).max(Duration::from_nanos(1));
            self.busy += 1;
            // A time after now can always be scheduled.
            context.schedule_event(service, schedulable!(Self::finish), job).ok();
        }
    }
}
