//! How long a peer that is slow is waited for: so long at once, and longer only as far as it keeps sending, or reading.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that give one second back: no honest line is slower.
const BYTES_A_SECOND: u32 = 1_024;

/// How long a peer is still waited for.
#[derive(Debug)]
pub(super) struct Patience {
    whole: Duration,
    left: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Patience {
    /// To wait so long at most.
    pub(super) fn new(whole: Duration) -> Self {
        Self { whole, left: whole, waiting: None }
    }

    /// Takes note that bytes have passed.
    pub(super) fn passed(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let earned = Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / BYTES_A_SECOND;
        self.left = (self.left + earned).min(self.whole);
    }

    /// Waits; ready when the patience is at its end.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (_, sleep) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + self.left)))
        });
        sleep.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn dripping_bytes_buy_little_time_and_full_speed_no_more_than_there_was() {
        let mut patience = Patience::new(10 * SECOND);
        patience.passed(1_000_000);
        let begun = Instant::now();
        for _ in 0..4 {
            let end = tokio::time::timeout(2 * SECOND, poll_fn(|context| patience.poll_end(context))).await;
            assert!(end.is_err());
            patience.passed(1);
        }
        poll_fn(|context| patience.poll_end(context)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_a_kilobyte_a_second_is_waited_for_without_end() {
        let mut patience = Patience::new(10 * SECOND);
        for _ in 0..1_000 {
            assert!(tokio::time::timeout(SECOND, poll_fn(|context| patience.poll_end(context))).await.is_err());
            patience.passed(1_100);
        }
    }
}
