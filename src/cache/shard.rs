//! Reads in progress, so that many who wait for one code cost one query, and so that a read which began before a
//! change is not kept after it, nor joined by anyone who came after it.

use std::{collections::HashMap, sync::Arc};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

use tokio::time::Instant;

use crate::{db::StoreError, domain::ShortCode, store::Link};

type Outcome = Result<Option<Arc<Link>>, Arc<StoreError>>;

/// One read in progress.
#[derive(Clone)]
pub(super) struct Fill {
    number: u64,
    pub(super) started: Instant,
    pub(super) future: Shared<BoxFuture<'static, Outcome>>,
}

/// The reads in progress of some of the codes.
#[derive(Default)]
pub(super) struct Shard {
    next_number: u64,
    reading: HashMap<ShortCode, Fill>,
}

impl Shard {
    /// The read in progress for this code, or a new one.
    pub(super) fn join<F>(&mut self, code: &ShortCode, read: impl FnOnce() -> F) -> Fill
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        if let Some(fill) = self.reading.get(code) {
            return fill.clone();
        }
        self.next_number += 1;
        let fill = Fill { number: self.next_number, started: Instant::now(), future: read().boxed().shared() };
        self.reading.insert(code.clone(), fill.clone());
        fill
    }

    /// Ends a read; answers whether what it found may be kept, which is so for one of its waiters if nothing
    /// changed during the read.
    pub(super) fn finish(&mut self, code: &ShortCode, fill: &Fill) -> bool {
        let is_current = self.reading.get(code).is_some_and(|current| current.number == fill.number);
        if is_current {
            self.reading.remove(code);
        }
        is_current
    }

    /// One waiter leaves, done or not. A read without a waiter is given up: no task would drive it, and
    /// it may hold a connection.
    pub(super) fn leave(&mut self, code: &ShortCode, fill: &Fill) {
        // The shard has one handle on it, and the waiter that leaves another.
        if fill.future.strong_count().is_none_or(|handles| handles <= 2) {
            self.finish(code, fill);
        }
    }

    /// The link of this code changed.
    pub(super) fn forget(&mut self, code: &ShortCode) {
        self.reading.remove(code);
    }

    /// Any link may have changed.
    pub(super) fn forget_all(&mut self) {
        self.reading.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> ShortCode {
        ShortCode::parse("abc").unwrap()
    }

    async fn nothing() -> Outcome {
        Ok(None)
    }

    #[tokio::test]
    async fn whoever_comes_meanwhile_joins_the_read() {
        let mut shard = Shard::default();
        let first = shard.join(&code(), nothing);
        let second = shard.join(&code(), || async { panic!("one read is enough") });
        assert!(second.future.clone().await.unwrap().is_none());
        assert!(shard.finish(&code(), &first));
        assert!(!shard.finish(&code(), &second), "one of its waiters keeps what was read");
    }

    #[test]
    fn a_read_that_everybody_left_is_given_up() {
        let mut shard = Shard::default();
        let first = shard.join(&code(), std::future::pending);
        let second = shard.join(&code(), nothing);
        shard.leave(&code(), &second);
        drop(second);
        let third = shard.join(&code(), nothing);
        assert_eq!(third.number, first.number, "one still waits");
        drop(third);
        shard.leave(&code(), &first);
        let fourth = shard.join(&code(), nothing);
        assert_ne!(fourth.number, first.number);
    }

    #[tokio::test]
    async fn a_read_that_began_before_a_change_is_neither_kept_nor_joined_after_it() {
        let mut shard = Shard::default();
        let before = shard.join(&code(), nothing);
        shard.forget(&code());
        let after = shard.join(&code(), nothing);
        assert!(!shard.finish(&code(), &before));
        assert!(shard.finish(&code(), &after));
        let before = shard.join(&code(), nothing);
        shard.forget_all();
        assert!(!shard.finish(&code(), &before));
    }
}
