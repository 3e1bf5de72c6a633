//! The users of a closed network: each takes a step, which is one request or several, thinks, and takes the next. The clicks that they
//! make are stored in batches, one for each replica and second.

use nexosim::{
    model::{Context, Model, schedulable},
    ports::Output,
};
use rand::{SeedableRng as _, rngs::SmallRng};
use serde::{Deserialize, Serialize};

use super::{
    request::{Request, Steps},
    station::{Job, after},
};

/// Seconds between two batches of a replica: CLICK_FLUSH_BUSY_MS.
const WINDOW: f64 = 1.0;
/// The place of a batch, which nobody waits for.
const BATCH: usize = usize::MAX;
/// The place of a user who is to begin a step.
const WAKING: usize = usize::MAX - 1;
/// Goose sleeps for so many seconds at most; a user who pauses longer is called more than once.
const SLEEP: f64 = 0.5;
/// What waking uses of a processor, in parts of a hop: next to nothing, but it waits for one like everything else.
const WAKING_WORK: f64 = 0.02;

/// All users.
#[derive(Serialize, Deserialize)]
pub struct Users {
    /// Where requests go.
    pub output: Output<Job>,
    /// How long each answered request took, in seconds.
    pub latencies: Output<f64>,
    count: u32,
    think: f64,
    /// Hops of all calls that end a pause; 0 where users do not pause, or their client is not modelled.
    wake_hops: u32,
    steps: Steps,
    draws: u64,
    replicas: u32,
    /// Hops of storing a click.
    store: f64,
    /// Clicks made and not handed on.
    clicks: f64,
}

#[Model]
impl Users {
    /// So many users, who think for so many seconds after each step; so many replicas, and hops that storing a click takes.
    pub fn new(count: u32, think: f64, steps: Steps, (replicas, store): (u32, f64)) -> Self {
        let (output, latencies) = (Output::default(), Output::default());
        let wake_hops = (think / SLEEP).ceil() as u32 * steps.wake_hops;
        Self { output, latencies, count, think, wake_hops, steps, draws: 0, replicas, store, clicks: 0.0 }
    }

    /// They come one after the other, spread over the time that they think.
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>, _: &mut ()) {
        for nth in 0..self.count {
            let spread = self.think.max(0.1) * f64::from(nth) / f64::from(self.count);
            context.schedule_event(after(spread), schedulable!(Self::wake), ()).ok();
        }
        if self.store > 0.0 {
            let between = after(WINDOW / f64::from(self.replicas));
            context.schedule_periodic_event(between, between, schedulable!(Self::flush), ()).ok();
        }
    }

    /// The next replica stores its clicks: its share of those of a whole window.
    #[nexosim(schedulable)]
    async fn flush(&mut self) {
        // Of three whose windows are a third apart, the one that is due has half of what waits: 1 of 1 + 2/3 + 1/3.
        let share = self.clicks * 2.0 / f64::from(self.replicas + 1);
        self.clicks -= share;
        let hops = (share * self.store).round();
        if hops >= 1.0 {
            self.output.send(Job { hops: hops as u32, place: BATCH, ..Job::default() }).await;
        }
    }

    /// A user has paused, and waits to be called as long as an answer would take to come back: that is no part of a latency, but as much
    /// less load.
    #[nexosim(schedulable)]
    async fn wake(&mut self, _: (), context: &Context<Self>) {
        if self.wake_hops == 0 {
            return self.step(context);
        }
        let (sent, hops) = (context.time(), self.wake_hops);
        self.output.send(Job { sent, hops, work: WAKING_WORK, place: WAKING, ..Job::default() }).await;
    }

    /// A user begins a step.
    fn step(&mut self, context: &Context<Self>) {
        let mut random = self.random();
        let places = self.steps.draw(&mut random);
        self.send(places.start, places.end, context);
    }

    /// A request has waited for what is no processor.
    #[nexosim(schedulable)]
    async fn depart(&mut self, job: Job) {
        self.output.send(job).await;
    }

    /// A user is answered.
    pub async fn answered(&mut self, job: Job, context: &Context<Self>) {
        if job.place == BATCH {
            return;
        }
        if job.place == WAKING {
            return self.step(context);
        }
        self.clicks += f64::from(u8::from(self.steps.is_click(job.place)));
        self.latencies.send(context.time().duration_since(job.sent).as_secs_f64()).await;
        if job.place + 1 < job.end {
            self.send(job.place + 1, job.end, context);
        } else {
            context.schedule_event(after(self.think), schedulable!(Self::wake), ()).ok();
        }
    }

    fn send(&mut self, place: usize, end: usize, context: &Context<Self>) {
        let mut random = self.random();
        let request = self.steps.request(place);
        let Request { hops, work, statements, statement, ref delay } = *request;
        let job = Job { sent: context.time(), hops, work, statements, statement, holds: None, place, end };
        context.schedule_event(after(delay.draw(&mut random)), schedulable!(Self::depart), job).ok();
    }

    /// From a counter, so that a model is all state and a run can be repeated.
    fn random(&mut self) -> SmallRng {
        self.draws += 1;
        SmallRng::seed_from_u64(self.draws ^ 0x5555_5555)
    }
}
