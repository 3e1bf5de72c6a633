//! The end of the log, and what it had to drop.

use std::{fmt, sync::mpsc, thread, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter},
};
use tracing_appender::non_blocking::{ErrorCounter, WorkerGuard};

/// How long the process waits for the reader of the log when it ends.
const LAST_LINES: Duration = Duration::from_millis(400);

/// Keeps the log's thread. Dropping it writes the lines that wait, for at most `LAST_LINES`.
#[derive(Debug)]
pub struct LogGuard {
    worker: Option<WorkerGuard>,
    dropped: DroppedLines,
}

impl LogGuard {
    pub(super) fn new(worker: WorkerGuard, dropped: ErrorCounter) -> Self {
        Self { worker: Some(worker), dropped: DroppedLines(Some(dropped)) }
    }

    /// The count of dropped lines.
    #[must_use]
    pub fn dropped(&self) -> DroppedLines {
        self.dropped.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let lines = self.dropped.count();
        if lines > 0 {
            tracing::warn!(lines, "log lines were dropped because the reader of the log stalled");
        }
        let worker = self.worker.take();
        let (sender, done) = mpsc::channel();
        // In its own thread: if the reader stalls, the library's guard prints a complaint, which blocks forever.
        let flush = move || {
            drop(worker);
            sender.send(()).ok();
        };
        if thread::Builder::new().name("log end".to_owned()).spawn(flush).is_ok() {
            done.recv_timeout(LAST_LINES).ok();
        }
    }
}

/// How many lines were dropped since the reader of the log was too slow, also as `buoy_log_lines_dropped_total`.
#[derive(Clone, Debug, Default)]
pub struct DroppedLines(Option<ErrorCounter>);

impl DroppedLines {
    /// Lines so far; 0 if the process has no log.
    #[must_use]
    pub fn count(&self) -> u64 {
        let lines = self.0.as_ref().map_or(0, ErrorCounter::dropped_lines);
        u64::try_from(lines).unwrap_or(u64::MAX)
    }
}

impl Collector for DroppedLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Log lines dropped because the reader of the log stalled";
        let metric = encoder.encode_descriptor("log_lines_dropped", help, None, MetricType::Counter)?;
        ConstCounter::new(self.count()).encode(metric)
    }
}
