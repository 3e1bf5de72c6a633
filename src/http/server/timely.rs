//! A connection on which a slow client does not last: a head must be complete soon after its first byte, an answer must be read,
//! and nobody keeps a connection for nothing.
//!
//! hyper's own limit for heads begins when a connection falls idle, and so must be as long as a proxy keeps one idle, with a timer
//! for each request. The limit here begins with a head's first byte. Where a client sends the beginning of its next request along
//! with the last one, it begins with the first byte after that one's answer; the limit of idle connections covers the rest.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{idle::Idle, patience::Patience};

/// Whether a request is at work on a connection, from the end of its head to the end of its answer: the beginnings and ends so
/// far, an odd number while one is at work.
#[derive(Debug, Clone, Default)]
pub(super) struct AtWork(Arc<AtomicUsize>);

impl AtWork {
    /// A head is complete.
    pub(super) fn begin(&self) -> Ended {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ended(self.clone())
    }

    fn steps(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends the work when it is dropped.
#[derive(Debug)]
pub(super) struct Ended(AtWork);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a request's head arrives.
#[derive(Debug)]
enum Head {
    /// Nothing of it is there.
    Awaited,
    /// Something is there, perhaps all of it.
    Begun(Instant),
    /// It was not all of it: the rest must come in time.
    Incomplete(Pin<Box<Sleep>>),
}

/// A connection with limits on how slow its client may be.
#[derive(Debug)]
pub(super) struct Timely {
    stream: TcpStream,
    at_work: AtWork,
    head_limit: Duration,
    idle: Idle,
    /// The steps of work when this was last read from: where there were more since, the head that had begun is complete.
    steps: usize,
    head: Head,
    answer: Patience,
    /// Writes so far, by twos: the end of an answer may be read long after the work on it has ended.
    writes: usize,
}

impl Timely {
    /// With the limits of idle connections, heads and answers.
    pub(super) fn new(stream: TcpStream, at_work: AtWork, idle: Duration, head: Duration, answer: Duration) -> Self {
        let (idle, answer) = (Idle::new(idle), Patience::new(answer));
        Self { stream, at_work, head_limit: head, idle, steps: 0, head: Head::Awaited, answer, writes: 0 }
    }

    /// Whether the head that is arriving has taken too long. Most heads come in one piece, and need no timer.
    fn is_too_late(&mut self, context: &mut Context<'_>, has_read: bool) -> bool {
        let steps = self.at_work.steps();
        if steps != std::mem::replace(&mut self.steps, steps) || steps % 2 == 1 {
            self.head = Head::Awaited;
        }
        if steps % 2 == 1 {
            return false;
        }
        match &mut self.head {
            Head::Awaited if has_read => self.head = Head::Begun(Instant::now()),
            Head::Awaited => {}
            // Read from again without a request having begun.
            Head::Begun(since) => self.head = Head::Incomplete(Box::pin(sleep_until(*since + self.head_limit))),
            Head::Incomplete(_) => {}
        }
        // Looked at in any case: bytes that drip in without a pause must not hide the time.
        let Head::Incomplete(end) = &mut self.head else { return false };
        end.as_mut().poll(context).is_ready()
    }

    /// Waits with patience where a write must wait.
    fn wrote(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.answer.passed(*bytes);
                self.writes = self.writes.wrapping_add(2);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                ready!(self.answer.poll_end(context));
                return Poll::Ready(Err(too_slow("the answer was not read")));
            }
        }
        written
    }
}

impl AsyncRead for Timely {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.is_too_late(context, buffer.filled().len() > before) {
            return Poll::Ready(Err(too_slow("the head was not complete")));
        }
        if read.is_pending() {
            let steps = self.steps.wrapping_add(self.writes);
            ready!(self.idle.poll_end(context, steps));
            return Poll::Ready(Err(too_slow("nothing was asked for")));
        }
        read
    }
}

impl AsyncWrite for Timely {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn too_slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}
