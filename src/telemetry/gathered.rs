//! Lines that come by the thousand, gathered: one system call writes what many requests had to say.
//!
//! Promises: lines come out whole and in their order; a line that is not gathered is written at once, and what was gathered
//! before it goes first; what is gathered waits [`LONGEST_WAIT`] at most. A process that is killed loses what waits.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Bytes that are written without waiting.
const ENOUGH: usize = 32 * 1024;
/// Bytes to gather lines in: enough, and the line by which it is enough.
const ROOM: usize = ENOUGH + 4 * 1024;

/// Where lines go; clones share it.
#[derive(Clone)]
pub(super) struct Gathered {
    shared: Arc<Shared>,
    /// Lines of this target are gathered, as long as they report nothing bad.
    target: &'static str,
}

struct Shared {
    lines: Mutex<Vec<u8>>,
    some: Condvar,
    /// Locked before `lines` by whoever takes lines out, so that they leave in their order.
    out: Mutex<Box<dyn Write + Send>>,
}

impl Gathered {
    /// Gathers lines of `target` for `out`.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub(super) fn new(target: &'static str, out: Box<dyn Write + Send>) -> io::Result<Self> {
        let shared = Arc::new(Shared { lines: Mutex::default(), some: Condvar::new(), out: Mutex::new(out) });
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_in_time())?;
        Ok(Self { shared, target })
    }
}

impl<'a> MakeWriter<'a> for Gathered {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.shared, at_once: true }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        let waits = event.target() == self.target && *event.level() >= tracing::Level::INFO;
        Line { shared: &self.shared, at_once: !waits }
    }
}

impl Shared {
    /// Adds whole lines; answers whether they are enough to be written.
    fn add(&self, bytes: &[u8]) -> bool {
        let mut lines = lock(&self.lines);
        if lines.is_empty() {
            self.some.notify_one();
        }
        lines.extend_from_slice(bytes);
        lines.len() >= ENOUGH
    }

    fn write(&self) -> io::Result<()> {
        let mut out = lock(&self.out);
        // With room from the beginning: growing copies each line three times.
        let lines = mem::replace(&mut *lock(&self.lines), Vec::with_capacity(ROOM));
        out.write_all(&lines)?;
        out.flush()
    }

    /// Until the process ends.
    fn write_in_time(&self) {
        loop {
            let lines = self.some.wait_while(lock(&self.lines), |lines| lines.is_empty());
            drop(lines);
            thread::sleep(LONGEST_WAIT);
            // Whoever reads the log is gone: nobody is left to tell.
            self.write().ok();
        }
    }
}

/// A panic in another thread leaves whole lines behind.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one line.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    at_once: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let enough = self.shared.add(bytes);
        if enough || self.at_once {
            self.shared.write()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Instant};

    use super::*;

    struct Sink(mpsc::Sender<String>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs with `body`; answers what is written, a text for each system call.
    fn written(body: impl FnOnce()) -> mpsc::Receiver<String> {
        let (sender, texts) = mpsc::channel();
        let gathered = Gathered::new("often", Box::new(Sink(sender))).unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(gathered).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, body);
        texts
    }

    #[test]
    fn what_comes_often_is_written_together_and_soon() {
        let begun = Instant::now();
        let texts = written(|| (0..10).for_each(|n| tracing::info!(target: "often", "line {n}")));
        let text = texts.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(text.lines().count(), 10, "{text}");
        assert!(begun.elapsed() >= LONGEST_WAIT);
    }

    #[test]
    fn other_lines_and_bad_news_are_written_at_once_and_in_order() {
        let more = || {
            tracing::info!(target: "often", "third");
            tracing::warn!(target: "often", "fourth");
        };
        let texts = written(|| {
            tracing::info!(target: "often", "first");
            tracing::info!("second");
            more();
        });
        let texts: Vec<String> = texts.try_iter().collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].find("first") < texts[0].find("second") && texts[0].contains("first"), "{texts:?}");
        assert!(texts[1].find("third") < texts[1].find("fourth") && texts[1].contains("third"), "{texts:?}");
    }

    #[test]
    fn much_does_not_wait() {
        let texts = written(|| (0..1_000).for_each(|n| tracing::info!(target: "often", "{n:0100}")));
        assert!(texts.try_iter().count() >= 3);
    }
}
