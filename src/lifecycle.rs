//! How the process leaves: a signal or a fatal fault starts the shutdown, which has two steps and a deadline.
//!
//! From the first signal on, *draining*: readiness fails and every answer says `Connection: close`, but requests are still served,
//! so that the balancer finds other replicas first. After the drain time, *stopping*: nothing new is accepted and what runs is
//! finished. At the deadline the caller gives up on the rest. A second signal ends the process at once. What is to be closed in
//! which order is the business of `serve`, not of this module.

use std::{
    io, process,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::config::ShutdownConfig;

/// The shutdown of this process; clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    drain: Duration,
    grace: Duration,
    draining: CancellationToken,
    stopping: CancellationToken,
    deadline: Arc<OnceLock<Instant>>,
}

impl Lifecycle {
    /// A process that runs until it is told otherwise.
    #[must_use]
    pub fn new(config: &ShutdownConfig) -> Self {
        Self {
            drain: config.drain,
            grace: config.grace,
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            deadline: Arc::default(),
        }
    }

    /// Cancelled when the shutdown begins: readiness fails, requests are still served.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Cancelled when the drain time is over: nothing new is accepted.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// When everything must have ended; nothing before the shutdown has begun.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// Begins the shutdown, once: later calls change nothing.
    pub fn begin(&self) {
        self.deadline.get_or_init(|| Instant::now() + self.grace);
        self.draining.cancel();
    }

    /// Returns when the shutdown has begun and its deadline is `before` away or nearer.
    pub async fn expired(&self, before: Duration) {
        self.draining.cancelled().await;
        let deadline = *self.deadline.get_or_init(|| Instant::now() + self.grace);
        sleep_until(deadline.checked_sub(before).unwrap_or(deadline)).await;
    }

    /// Starts the task that turns signals into steps of the shutdown. The task ends with the process only: abort it, and await it,
    /// when everything else has ended. Signals count from the moment of this call.
    ///
    /// # Errors
    /// Where the system refuses a signal handler.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn listen_for_signals(&self) -> io::Result<JoinHandle<()>> {
        let mut signals = Signals::new()?;
        let lifecycle = self.clone();
        Ok(tokio::spawn(async move {
            tokio::select! {
                name = signals.next() => {
                    tracing::info!(signal = name.text(), "shutting down");
                    lifecycle.begin();
                    if name == SignalName::Interrupt {
                        // A person at a terminal: no balancer has to be told.
                        lifecycle.stopping.cancel();
                    }
                }
                () = lifecycle.draining.cancelled() => {}
            }
            tokio::join!(lifecycle.stop_after_draining(), end_at_next(&mut signals));
        }))
    }

    /// The second step, a drain time after the first.
    async fn stop_after_draining(&self) {
        self.draining.cancelled().await;
        sleep(self.drain).await;
        self.stopping.cancel();
    }
}

/// Someone has lost patience: nothing is finished, nothing is written.
async fn end_at_next(signals: &mut Signals) {
    let name = signals.next().await;
    tracing::warn!(signal = name.text(), "ending at once");
    process::exit(name.exit_code());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignalName {
    Interrupt,
    Terminate,
}

impl SignalName {
    fn text(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// What a shell reports for a process that this signal ended: 128 and its number.
    fn exit_code(self) -> i32 {
        let kind = match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
        };
        128 + kind.as_raw_value()
    }
}

/// The signals that ask the process to leave.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> SignalName {
        tokio::select! {
            _ = self.interrupt.recv() => SignalName::Interrupt,
            _ = self.terminate.recv() => SignalName::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lifecycle() -> Lifecycle {
        Lifecycle::new(&ShutdownConfig { drain: 5 * SECOND, grace: 30 * SECOND })
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_follows_draining_by_the_drain_time() {
        let lifecycle = lifecycle();
        let task = lifecycle.listen_for_signals().expect("handlers can be installed");
        assert_eq!(lifecycle.deadline(), None);
        lifecycle.begin();
        assert!(lifecycle.draining().is_cancelled());
        let begun = Instant::now();
        lifecycle.stopping().cancelled().await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        task.abort();
        assert!(task.await.is_err_and(|ended| ended.is_cancelled()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_counts_from_the_first_call() {
        let lifecycle = lifecycle();
        let begun = Instant::now();
        lifecycle.begin();
        advance(10 * SECOND).await;
        lifecycle.begin();
        assert_eq!(lifecycle.deadline(), Some(begun + 30 * SECOND));
        lifecycle.expired(Duration::ZERO).await;
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!((SignalName::Interrupt.exit_code(), SignalName::Terminate.exit_code()), (130, 143));
    }
}
