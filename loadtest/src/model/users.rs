//! The users of a closed network: each sends a request, waits for its answer, thinks, and sends the next.

use std::time::Duration;

use nexosim::{
    model::{Context, Model, schedulable},
    ports::Output,
};
use serde::{Deserialize, Serialize};

use super::station::Job;

/// All users.
#[derive(Serialize, Deserialize)]
pub struct Users {
    /// Where requests go.
    pub output: Output<Job>,
    /// How long each answered request took, in seconds.
    pub latencies: Output<f64>,
    count: u32,
    think: f64,
}

#[Model]
impl Users {
    /// So many users, who think for so many seconds.
    pub fn new(count: u32, think: f64) -> Self {
        Self { output: Output::default(), latencies: Output::default(), count, think }
    }

    /// They come one after the other, spread over the time that they think.
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>, _: &mut ()) {
        for nth in 0..self.count {
            let spread = self.think.max(0.1) * f64::from(nth) / f64::from(self.count);
            context.schedule_event(after(spread), schedulable!(Self::send), ()).ok();
        }
    }

    /// A user sends a request.
    #[nexosim(schedulable)]
    async fn send(&mut self, _: (), context: &Context<Self>) {
        self.output.send(Job { sent: context.time() }).await;
    }

    /// A user is answered.
    pub async fn answered(&mut self, job: Job, context: &Context<Self>) {
        self.latencies.send(context.time().duration_since(job.sent).as_secs_f64()).await;
        context.schedule_event(after(self.think), schedulable!(Self::send), ()).ok();
    }
}

fn after(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds).max(Duration::from_nanos(1))
}
