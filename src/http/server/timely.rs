//! A connection on which a slow client does not last: a head must be complete soon after its first byte, an answer must be read.
//!
//! hyper's own limit for heads begins when a connection falls idle, and so must be as long as a proxy keeps one idle. The limit
//! here begins with a head's first byte. Where a client sends the beginning of its next request along with the last one, it
//! begins with the first byte after that one's answer; hyper's limit covers the rest.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::patience::Patience;

/// Whether a request is at work on a connection, from the end of its head to the end of its answer.
#[derive(Debug, Clone, Default)]
pub(super) struct AtWork(Arc<AtomicBool>);

impl AtWork {
    /// A head is complete.
    pub(super) fn begin(&self) -> Ended {
        self.0.store(true, Ordering::Relaxed);
        Ended(self.clone())
    }
}

/// Ends the work when it is dropped.
#[derive(Debug)]
pub(super) struct Ended(AtWork);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// A connection with limits on how slow its client may be.
#[derive(Debug)]
pub(super) struct Timely {
    stream: TcpStream,
    at_work: AtWork,
    head_limit: Duration,
    /// Since a head began that is not complete.
    head: Option<Pin<Box<Sleep>>>,
    answer: Patience,
}

impl Timely {
    pub(super) fn new(stream: TcpStream, at_work: AtWork, head_limit: Duration, answer_limit: Duration) -> Self {
        Self { stream, at_work, head_limit, head: None, answer: Patience::new(answer_limit) }
    }

    /// Waits with patience where a write must wait.
    fn wrote(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.answer.passed(*bytes),
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
        if self.at_work.0.load(Ordering::Relaxed) {
            self.head = None;
            return read;
        }
        if buffer.filled().len() > before && self.head.is_none() {
            self.head = Some(Box::pin(sleep(self.head_limit)));
        }
        // Looked at in any case: bytes that drip in without a pause must not hide the time.
        let too_late = self.head.as_mut().is_some_and(|head| head.as_mut().poll(context).is_ready());
        if too_late { Poll::Ready(Err(too_slow("the head was not complete"))) } else { read }
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
