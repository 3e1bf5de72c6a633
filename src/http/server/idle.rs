//! How long a connection may lie idle, by a timer that is set again only when it has run out: on a busy connection that is once in
//! a minute, not once a request.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// Whether a connection has been idle for too long.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Duration,
    end: Pin<Box<Sleep>>,
    /// The steps when the timer was set: where there are more at its end, the connection was not idle.
    steps: usize,
    /// Who is woken at its end.
    waker: Option<Waker>,
}

impl Idle {
    /// From now on.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, end: Box::pin(sleep(limit)), steps: 0, waker: None }
    }

    /// Ready when nothing has happened for the limit, or for up to twice that. `steps` counts what happens; it is odd while a request is
    /// at work.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>, steps: usize) -> Poll<()> {
        let is_known = self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if is_known && !self.end.is_elapsed() {
            return Poll::Pending;
        }
        self.waker = Some(context.waker().clone());
        while self.end.as_mut().poll(context).is_ready() {
            if steps.is_multiple_of(2) && steps == self.steps {
                return Poll::Ready(());
            }
            self.steps = steps;
            self.end.as_mut().reset(Instant::now() + self.limit);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(75);

    /// Lets `time` pass; answers whether the connection is still to be kept.
    async fn keeps(idle: &mut Idle, steps: usize, time: Duration) -> bool {
        timeout(time, poll_fn(|context| idle.poll_end(context, steps))).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_asked_ends_at_the_limit() {
        let mut idle = Idle::new(LIMIT);
        assert!(keeps(&mut idle, 0, LIMIT - Duration::from_secs(1)).await);
        assert!(!keeps(&mut idle, 0, Duration::from_secs(2)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_buys_the_limit_and_at_most_twice_that() {
        let mut idle = Idle::new(LIMIT);
        let begun = Instant::now();
        assert!(keeps(&mut idle, 0, Duration::from_secs(1)).await);
        poll_fn(|context| idle.poll_end(context, 2)).await;
        assert_eq!(begun.elapsed().as_secs(), 150);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_at_work_is_never_idle() {
        let mut idle = Idle::new(LIMIT);
        assert!(keeps(&mut idle, 1, LIMIT * 10).await);
        // Its end is a step as well.
        assert!(keeps(&mut idle, 2, LIMIT - Duration::from_secs(1)).await);
    }
}
