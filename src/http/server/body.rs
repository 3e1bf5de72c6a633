//! Bodies on their way: a request's must keep arriving, and an answer's end is noticed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::{patience::Patience, timely::Ended};

/// A request's body, which breaks off where it arrives too slowly. Time that nobody waits for it does not count.
#[derive(Debug)]
pub(super) struct Arriving {
    body: Incoming,
    patience: Patience,
}

impl Arriving {
    pub(super) fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, patience: Patience::new(limit) }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
                self.patience.passed(bytes);
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            Poll::Pending => {
                ready!(self.patience.poll_end(context));
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the body arrived too slowly"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; the request counts as at work until it is dropped.
#[derive(Debug)]
pub(super) struct Leaving {
    body: Body,
    _ended: Ended,
}

impl Leaving {
    pub(super) fn new(body: Body, ended: Ended) -> Self {
        Self { body, _ended: ended }
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
