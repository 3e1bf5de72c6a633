//! A station: processors that serve whoever waits, in no order, but for requests in the midst of a transaction.

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
    /// Statements that it has still to ask of the database, once it has a connection.
    pub statements: u32,
    /// How long a statement uses a processor, in parts of the mean.
    pub statement: f64,
    /// The replica whose connection it holds.
    pub holds: Option<usize>,
    /// Its place among the kinds of requests, and where its step ends.
    pub place: usize,
    /// The end of its step.
    pub end: usize,
}

impl Default for Job {
    fn default() -> Self {
        let sent = MonotonicTime::EPOCH;
        Self { sent, hops: 1, work: 1.0, statements: 0, statement: 0.0, holds: None, place: 0, end: 0 }
    }
}

/// How long services take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Services {
    /// Each as long as the mean: what differs is in the kinds of requests, and in the seconds.
    Alike,
    /// Exponential: nothing is known but the mean.
    Exponential,
}

/// Processors with one crowd before them: schedulers, event loops and locks serve in no order that a client would see.
///
/// Who holds a connection does not stand in the crowd. PostgreSQL's process, which has slept, is let in at once; the replica's thread, with the
/// answer, when those have had their turn that run already. That is a time of its own, which no longer crowd makes longer.
#[derive(Serialize, Deserialize)]
pub struct Station {
    /// Where served requests go.
    pub output: Output<Job>,
    servers: u32,
    busy: u32,
    mean: f64,
    services: Services,
    turn: f64,
    waiting: Vec<Job>,
    ready: Vec<Job>,
    draws: u64,
    /// How much longer than the mean services take, second by second.
    slowness: Vec<f64>,
    second: usize,
}

#[Model]
impl Station {
    /// A station of `servers` processors, each of which takes `mean` seconds for a hop, times what `slowness` says of this second, over
    /// and over. A turn of others takes `turn` seconds on average, but no longer than one
    /// processor would serve the crowd.
    pub fn new(servers: u32, (mean, services): (f64, Services), turn: f64, slowness: Vec<f64>) -> Self {
        let (output, waiting, ready) = (Output::default(), Vec::new(), Vec::new());
        Self { output, servers, busy: 0, mean, services, turn, waiting, ready, draws: 0, slowness, second: 0 }
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
        self.line_up(job, context);
        self.serve(context);
    }

    /// A request has waited for others to have their turn.
    #[nexosim(schedulable)]
    async fn let_in(&mut self, job: Job, context: &Context<Self>) {
        self.ready.push(job);
        self.serve(context);
    }

    /// A hop is done.
    #[nexosim(schedulable)]
    async fn finish(&mut self, mut job: Job, context: &Context<Self>) {
        self.busy -= 1;
        job.hops = job.hops.saturating_sub(1);
        if job.hops > 0 {
            self.line_up(job, context);
        } else {
            self.output.send(job).await;
        }
        self.serve(context);
    }

    fn line_up(&mut self, job: Job, context: &Context<Self>) {
        let turn = self.turn.min(self.waiting.len() as f64 * self.mean);
        if job.holds.is_none() {
            self.waiting.push(job);
        } else if turn > 0.0 {
            let draw: f64 = Exp1.sample(&mut self.random());
            context.schedule_event(after(turn * draw), schedulable!(Self::let_in), job).ok();
        } else {
            self.ready.push(job);
        }
    }

    fn serve(&mut self, context: &Context<Self>) {
        while self.busy < self.servers && !(self.waiting.is_empty() && self.ready.is_empty()) {
            let mut random = self.random();
            let from = if self.ready.is_empty() { &mut self.waiting } else { &mut self.ready };
            let job = from.swap_remove(random.random_range(0..from.len()));
            let draw = match self.services {
                Services::Alike => 1.0,
                Services::Exponential => Exp1.sample(&mut random),
            };
            let slower = self.slowness.get(self.second).copied().unwrap_or(1.0);
            self.busy += 1;
            let service = after(self.mean * job.work * slower * draw);
            context.schedule_event(service, schedulable!(Self::finish), job).ok();
        }
    }

    /// From a counter, so that a model is all state and a run can be repeated.
    fn random(&mut self) -> SmallRng {
        self.draws += 1;
        SmallRng::seed_from_u64(self.draws)
    }
}

/// A time after now, which can always be scheduled.
pub(super) fn after(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds).max(Duration::from_nanos(1))
}
