//! The ledger of this process: how many clicks came in and what became of them.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Why a click was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The queue had no room: the database was away, or too slow, for too long.
    QueueFull,
    /// The process had to end before the database took it.
    Shutdown,
    /// The database can store its batch, but not this click.
    Refused,
}

impl Loss {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::QueueFull, Self::Shutdown, Self::Refused];

    /// The reason in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Shutdown => "shutdown",
            Self::Refused => "refused",
        }
    }
}

/// Counts of clicks since the process started.
#[derive(Debug, Default)]
pub struct Ledger {
    accepted: AtomicU64,
    stored: AtomicU64,
    lost: [AtomicU64; Loss::ALL.len()],
    degraded: AtomicU64,
    /// Why the last two attempts to store clicks failed.
    trouble: Mutex<Option<String>>,
}

impl Ledger {
    /// Why clicks cannot be stored at present, in words without secrets; none if they can.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Clicks taken from redirects.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Clicks in the database.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// Clicks given up, for whatever reason.
    pub fn lost(&self) -> u64 {
        Loss::ALL.into_iter().map(|reason| self.lost_by(reason)).sum()
    }

    /// Clicks given up for this reason.
    pub fn lost_by(&self, reason: Loss) -> u64 {
        self.lost[reason as usize].load(Ordering::Acquire)
    }

    /// Redirects that were to wait until their click was stored, and were answered before.
    pub fn degraded(&self) -> u64 {
        self.degraded.load(Ordering::Acquire)
    }

    /// Clicks that wait to be written.
    pub fn queued(&self) -> u64 {
        // What became of them first: a click that is accepted now is one too many, never one too few.
        let settled = self.stored() + self.lost();
        self.accepted().saturating_sub(settled)
    }

    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn store(&self, clicks: usize) {
        self.stored.fetch_add(clicks as u64, Ordering::AcqRel);
    }

    pub(super) fn lose(&self, clicks: usize, reason: Loss) {
        self.lost[reason as usize].fetch_add(clicks as u64, Ordering::AcqRel);
    }

    pub(super) fn degrade(&self) {
        self.degraded.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_stored_nor_lost_is_queued() {
        let ledger = Ledger::default();
        (0..10).for_each(|_| ledger.accept());
        ledger.store(4);
        ledger.lose(1, Loss::QueueFull);
        ledger.lose(2, Loss::Refused);
        assert_eq!((ledger.accepted(), ledger.stored(), ledger.lost(), ledger.queued()), (10, 4, 3, 3));
        assert_eq!(Loss::ALL.map(|reason| ledger.lost_by(reason)), [1, 0, 2]);
    }
}
