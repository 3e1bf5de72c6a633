//! Lines of the log on their way to standard output. A system call for each would cost a redirect more than finding its link
//! does, so they are gathered.
//!
//! Promises: lines stay whole and in order; a warning or an error is written at once, with whatever waits before it; nothing
//! waits longer than [`FLUSH_EVERY`]; what waits at the end is written. A process that is killed loses its last moment.

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits at most.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// As many bytes are written at once, whatever the time.
const FULL: usize = 32 * 1024;

/// Gathers lines for a stream.
pub(super) struct Buffer {
    lines: Mutex<Lines>,
}

struct Lines {
    waiting: Vec<u8>,
    stream: Box<dyn io::Write + Send>,
}

/// Writes what waits when it is dropped.
pub struct FlushOnDrop(Option<Arc<Buffer>>);

/// Makes writers that put their lines into a buffer.
pub(super) struct IntoBuffer(Arc<Buffer>);

/// Puts one line into a buffer.
pub(super) struct LineWriter<'a> {
    buffer: &'a Buffer,
    at_once: bool,
}

impl Buffer {
    /// A buffer before `stream`, written by a thread of its own as long as somebody holds it.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub(super) fn start(stream: Box<dyn io::Write + Send>) -> io::Result<Arc<Self>> {
        let lines = Mutex::new(Lines { waiting: Vec::with_capacity(FULL), stream });
        let buffer = Arc::new(Self { lines });
        let weak = Arc::downgrade(&buffer);
        thread::Builder::new().name("log".to_owned()).spawn(move || flush_now_and_then(&weak))?;
        Ok(buffer)
    }

    /// The guard that writes what waits at the end.
    pub(super) fn guard(self: &Arc<Self>) -> FlushOnDrop {
        FlushOnDrop(Some(Arc::clone(self)))
    }

    /// What the subscriber is given.
    pub(super) fn writers(self: &Arc<Self>) -> IntoBuffer {
        IntoBuffer(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn flush(&mut self) -> io::Result<()> {
        let written = self.stream.write_all(&self.waiting).and_then(|()| self.stream.flush());
        // What could not be written once, a full disk say, is not kept: memory is bounded.
        self.waiting.clear();
        written
    }
}

impl FlushOnDrop {
    /// A guard of nothing, for logs that are not gathered.
    pub(super) fn nothing() -> Self {
        Self(None)
    }
}

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        if let Some(buffer) = &self.0 {
            // There is nowhere left to say that the log cannot be written.
            buffer.lock().flush().ok();
        }
    }
}

impl<'a> MakeWriter<'a> for IntoBuffer {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { buffer: &self.0, at_once: true }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        LineWriter { buffer: &self.0, at_once: *meta.level() <= Level::WARN }
    }
}

impl io::Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.buffer.lock();
        lines.waiting.extend_from_slice(line);
        if self.at_once || lines.waiting.len() >= FULL {
            lines.flush()?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn flush_now_and_then(buffer: &Weak<Buffer>) {
    loop {
        thread::sleep(FLUSH_EVERY);
        let Some(buffer) = buffer.upgrade() else { return };
        let mut lines = buffer.lock();
        if !lines.waiting.is_empty() {
            lines.flush().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt;

    use super::*;

    #[derive(Clone, Default)]
    struct Stream(Arc<Mutex<Vec<String>>>);

    impl io::Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn with_buffer(body: impl FnOnce(&Stream)) -> (Stream, FlushOnDrop) {
        let stream = Stream::default();
        let buffer = Buffer::start(Box::new(stream.clone())).unwrap();
        let subscriber = fmt().with_writer(buffer.writers()).without_time().with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || body(&stream));
        (stream, buffer.guard())
    }

    #[test]
    fn a_warning_takes_what_waits_before_it_along() {
        let (stream, _guard) = with_buffer(|_| {
            (0..10).for_each(|n| tracing::info!(n, "a line"));
            tracing::warn!("look");
        });
        let writes = stream.0.lock().unwrap().clone();
        let lines: Vec<String> = writes.concat().lines().map(str::to_owned).collect();
        assert!(writes.len() <= 3, "{writes:?}");
        assert_eq!(lines.len(), 11, "{lines:?}");
        assert!(lines[9].ends_with("n=9") && lines[10].contains("look"), "{lines:?}");
    }

    #[test]
    fn nothing_waits_for_long() {
        let (stream, _guard) = with_buffer(|stream| {
            tracing::info!("alone");
            let until = std::time::Instant::now() + Duration::from_secs(10);
            while stream.0.lock().unwrap().is_empty() && std::time::Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(stream.0.lock().unwrap().concat().contains("alone"));
    }

    #[test]
    fn what_waits_at_the_end_is_written() {
        let (stream, guard) = with_buffer(|_| tracing::info!("the last word"));
        drop(guard);
        assert!(stream.0.lock().unwrap().concat().contains("the last word"));
    }
}
