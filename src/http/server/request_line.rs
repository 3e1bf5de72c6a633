//! Request targets as mail programs and old pages send them, with bytes that no URI may hold.
//!
//! hyper answers them with an empty 400. A redirect needs nothing of the query, so these bytes are replaced on their
//! way in, each by one other byte: what hyper counts stays as it was. Requests that mean something by their query are
//! refused elsewhere, see [`UnencodedTarget`].

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::activity::Activity;

/// Of a request: its target held bytes that must be percent-encoded, and others stand in their place.
#[derive(Debug, Clone, Copy)]
pub struct UnencodedTarget;

/// What a client sends, its request lines made acceptable. A line that comes in the same read as the end of the
/// request before is left as it is: only pipelining clients send that.
#[derive(Debug)]
pub(super) struct RequestLine<R> {
    reader: R,
    activity: Arc<Activity>,
    /// Whether the next byte belongs to a request line.
    is_line: bool,
    /// Heads that were complete when the line was read.
    requests: usize,
}

impl<R> RequestLine<R> {
    /// Of a connection that has just been accepted.
    pub(super) fn new(reader: R, activity: Arc<Activity>) -> Self {
        Self { reader, activity, is_line: true, requests: 0 }
    }

    fn look_at(&mut self, read: &mut [u8]) {
        let requests = self.activity.requests();
        if requests != self.requests && self.activity.is_idle() {
            (self.requests, self.is_line) = (requests, true);
        }
        if !self.is_line {
            return;
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        self.is_line = end.is_none();
        let line = end.unwrap_or(read.len());
        if mend(&mut read[..line], end.is_some()) {
            self.activity.note_lenient();
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for RequestLine<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(context, buffer))?;
        self.look_at(&mut buffer.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

/// Replaces what no URI may hold; answers whether there was any. A character may be cut in two unless the line is
/// complete.
fn mend(line: &mut [u8], is_complete: bool) -> bool {
    let mut mended = false;
    for byte in &mut *line {
        let other = match *byte {
            b'"' => b'\'',
            b'<' => b'(',
            b'>' => b')',
            _ => continue,
        };
        (*byte, mended) = (other, true);
    }
    let mut valid = 0;
    while let Err(error) = std::str::from_utf8(&line[valid..]) {
        if error.error_len().is_none() && !is_complete {
            break;
        }
        // A byte that no code has.
        line[valid + error.valid_up_to()] = b'~';
        valid += error.valid_up_to() + 1;
        mended = true;
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_uri_may_hold_is_replaced() {
        for (line, expected) in [
            (&b"GET /a?x=y HTTP/1.1\r"[..], None),
            ("GET /\u{fc}?x={|}^`\\ HTTP/1.1\r".as_bytes(), None),
            (b"GET /a?x=\"b\"&y=<c> HTTP/1.1\r", Some(&b"GET /a?x='b'&y=(c) HTTP/1.1\r"[..])),
            (b"GET /a?x=M\xfcller\xff HTTP/1.1\r", Some(b"GET /a?x=M~ller~ HTTP/1.1\r")),
        ] {
            let mut mended = line.to_vec();
            assert_eq!(mend(&mut mended, true), expected.is_some());
            assert_eq!(mended, expected.unwrap_or(line));
        }
        let mut cut = b"GET /\xc3".to_vec();
        assert!(!mend(&mut cut, false) && cut.ends_with(b"\xc3"));
    }
}
