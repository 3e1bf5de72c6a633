//! How the process ends: a signal begins the shutdown, which has two steps and a deadline.
//!
//! *Draining*: readiness fails and every answer says `Connection: close`, while requests are still served, so that
//! the balancer finds other replicas first. *Stopping*, a drain time later: groups of [`Tasks`] end, one after the
//! other, in the order that `cli/serve.rs` lists. A second signal ends the process without finishing anything.

use std::{fmt, io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long tasks that are cut off may take to notice it.
const CUT_OFF: Duration = Duration::from_millis(100);

/// How long a shutdown takes.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownSettings {
    /// From the signal until nothing more is accepted.
    pub drain: Duration,
    /// From the signal until everything has ended.
    pub grace: Duration,
}

/// The shutdown of this process.
#[derive(Debug)]
pub struct Lifecycle {
    settings: ShutdownSettings,
    draining: CancellationToken,
    signals: Signals,
}

impl Lifecycle {
    /// Handles the process's signals from now on.
    ///
    /// # Errors
    /// The system refuses a signal handler.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: ShutdownSettings) -> io::Result<Self> {
        Ok(Self { settings, draining: CancellationToken::new(), signals: Signals::new()? })
    }

    /// Cancelled when the shutdown begins: readiness fails, requests are still served.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Waits for a signal and for the drain time after it. Returns the moment by which the process must have ended.
    ///
    /// # Errors
    /// [`Forced`] if a second signal comes in the drain time.
    pub async fn stopping(&mut self) -> Result<Instant, Forced> {
        let signal = self.signals.next().await;
        let deadline = Instant::now() + self.settings.grace;
        tracing::info!(%signal, "shutting down");
        self.draining.cancel();
        // SIGINT comes from a person at a terminal: no balancer has to notice.
        if signal != SignalName::Interrupt {
            self.unless_forced(sleep(self.settings.drain)).await?;
        }
        Ok(deadline)
    }

    /// Does `work`, unless a signal comes first.
    ///
    /// # Errors
    /// [`Forced`] if one does.
    pub async fn unless_forced<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Forced> {
        tokio::select! {
            done = work => Ok(done),
            signal = self.signals.next() => {
                tracing::warn!(%signal, "ending before everything is finished");
                Err(Forced(signal))
            }
        }
    }
}

/// A second signal: nothing more is finished.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ended by a second signal, {0}, before everything was finished")]
pub struct Forced(SignalName);

impl Forced {
    /// The exit code that a shell reports for a process that this signal ended: 128 and the signal's number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        u8::try_from(128 + self.0.kind().as_raw_value()).unwrap_or(u8::MAX)
    }
}

/// A group of tasks that end together: gracefully after the soft token, immediately after the hard one.
#[derive(Debug, Default)]
pub struct Tasks {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// Starts a task of the group.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Cancelled when the tasks are to begin nothing new, finish what they do, and return.
    #[must_use]
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled when the tasks are to return immediately.
    #[must_use]
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// Ends the tasks, gracefully until `deadline`.
    pub async fn end(self, deadline: Instant) {
        self.tracker.close();
        self.soft.cancel();
        if timeout_at(deadline, self.tracker.wait()).await.is_err() {
            self.hard.cancel();
            timeout(CUT_OFF, self.tracker.wait()).await.ok();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignalName {
    Interrupt,
    Terminate,
    Hangup,
    Quit,
}

impl SignalName {
    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::Hangup => SignalKind::hangup(),
            Self::Quit => SignalKind::quit(),
        }
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::Quit => "SIGQUIT",
        })
    }
}

/// The signals that ask the process to end.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None under nohup, whose purpose is that SIGHUP does nothing.
    hangup: Option<Signal>,
    quit: Signal,
    /// Handled, that they do not end the process with the clicks in its queue, and never read.
    _without_meaning: [Signal; 2],
}

impl Signals {
    fn new() -> io::Result<Self> {
        let listen = |name: SignalName| signal(name.kind());
        Ok(Self {
            interrupt: listen(SignalName::Interrupt)?,
            terminate: listen(SignalName::Terminate)?,
            hangup: if ignores_hangup() { None } else { Some(listen(SignalName::Hangup)?) },
            quit: listen(SignalName::Quit)?,
            _without_meaning: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
        })
    }

    async fn next(&mut self) -> SignalName {
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => SignalName::Interrupt,
            _ = self.terminate.recv() => SignalName::Terminate,
            _ = hangup => SignalName::Hangup,
            _ = self.quit.recv() => SignalName::Quit,
        }
    }
}

/// Whether the process was started with SIGHUP ignored; false if the system does not tell.
fn ignores_hangup() -> bool {
    // Source: proc(5), status: a mask in hexadecimal digits, the lowest bit for signal 1, which is SIGHUP.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn tasks_that_end_by_themselves_are_not_cut_off() {
        let tasks = Tasks::default();
        let (soft, hard) = (tasks.soft(), tasks.hard());
        let task = tasks.spawn(async move {
            soft.cancelled().await;
            sleep(SECOND).await;
        });
        let begun = Instant::now();
        tasks.end(begun + 5 * SECOND).await;
        assert_eq!((task.is_finished(), hard.is_cancelled(), begun.elapsed().as_secs()), (true, false, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_are_cut_off_at_the_deadline_and_waited_for_no_longer() {
        let tasks = Tasks::default();
        let hard = tasks.hard();
        tasks.spawn(std::future::pending::<()>());
        let begun = Instant::now();
        tasks.end(begun + 5 * SECOND).await;
        assert_eq!((hard.is_cancelled(), begun.elapsed()), (true, 5 * SECOND + CUT_OFF));
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!((Forced(SignalName::Interrupt).exit_code(), Forced(SignalName::Terminate).exit_code()), (130, 143));
    }
}
