//! An answer's body in small portions, and what is held until the last of them is taken.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Bytes of a portion at most. The server takes the next one only when the client has read most of what came before.
pub(super) const PORTION: usize = 16 * 1024;

/// A body whose guard is dropped with it, which is when the client has all but the last portions.
#[derive(Debug)]
pub(super) struct Portions<G> {
    body: Body,
    /// What is left of the piece that `body` gave last.
    rest: Bytes,
    _guard: G,
}

impl<G> Portions<G> {
    /// The same body, which holds `guard`.
    pub(super) fn holding(guard: G, body: Body) -> Self {
        Self { body, rest: Bytes::new(), _guard: guard }
    }
}

impl<G: Unpin> HttpBody for Portions<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame.into_data(),
                ended => return Poll::Ready(ended),
            };
            match frame {
                Ok(piece) => self.rest = piece,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let portion = self.rest.len().min(PORTION);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(portion)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.len() as u64, self.body.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_large_piece_comes_in_portions_and_the_guard_lasts_to_the_end() {
        let guard = Arc::new(());
        let whole = Bytes::from(vec![7; 2 * PORTION + 1]);
        let mut body = Portions::holding(Arc::clone(&guard), Body::from(whole.clone()));
        let mut taken = Vec::new();
        for expected in [PORTION, PORTION, 1] {
            assert_eq!(
                (body.size_hint().exact(), body.is_end_stream()),
                (Some((whole.len() - taken.len()) as u64), false)
            );
            let portion = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(portion.len(), expected);
            taken.extend_from_slice(&portion);
        }
        assert!(body.frame().await.is_none() && body.is_end_stream() && taken == whole);
        assert_eq!(Arc::strong_count(&guard), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}
