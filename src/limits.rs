//! How much a client may do: budgets by key or by address, which a fleet shares, and how much work is taken in at once.
//!
//! **What is promised.** A budget is so many tokens a minute, and a burst. Over any 60 s a fleet admits at most 1.1 times the
//! budget and one burst, however a client spreads its requests; one that stays with a single replica gets its whole budget.
//!
//! **How.** A token lies in one place only: in the pot that a subject has in the database, or in the pot that a replica keeps for it
//! in memory. Only the pot in the database fills by itself. Requests are let through by tokens in memory, without asking anybody;
//! once a second each replica gives back what it does not need, and asks for what its clients asked of it (`exchange`). So the
//! fleet's whole stock is never more than the burst, and grows by the budget alone.
//!
//! - The burst is cut into `n + 2` parts, `n` being the replicas at work. Who meets a subject for the first time takes one part
//!   for granted (one token at least); one lies in the database; one is kept for replicas that have just come, which in their first
//!   minute take `2 / n` of a part for granted (one token at least): half of a fleet is new in a deployment.
//! - The pot in the database can hold what two seconds bring beyond its part, so that no exchange comes too late to take it: a
//!   thirtieth of the budget, which the tenth covers.
//! - Where the database has been away for 3 s a replica fills its own pots, by the budget divided by the last known `n`, up to
//!   its part: its last share. Once it is back, tokens made that way are charged to the pot there. A replica that alone is cut
//!   off adds its share to what the others admit; nothing can tell them.
//! - An answer that is lost takes tokens with it. That is the safe side.
//!
//! **Bounded.** Each policy has 10,000 pots in memory at most. Only a pot that is as good as new makes room for
//! another; where there is none, new subjects share one pot, so that no flood of addresses resets anybody's. An exchange has
//! 250 rows of each policy at most, who waited longest first; a row in the database lives until its pot is full again.
//!
//! The embedded database has one process: there each pot in memory fills by itself. Leaves out: who is whose subject, and what
//! is answered, which is the HTTP side's.

pub mod exchange;
pub mod load;
mod pot;
pub mod subject;
mod table;
mod terms;

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

pub use self::{load::Load, subject::Subject};
use self::{table::Table, terms::Fleet};

/// Subjects of one policy that an exchange asks for at most.
const ASKED_AT_ONCE: usize = 250;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// Making users, links, events and keys, one at a time.
    Creations,
    /// Uploads of files.
    Bulk,
    /// Requests whose credentials are not valid.
    FailedCredentials,
    /// Redirects by codes that nobody knows.
    UnknownCodes,
}

impl Policy {
    /// All of them, each at its own index.
    pub const ALL: [Self; 4] = [Self::Creations, Self::Bulk, Self::FailedCredentials, Self::UnknownCodes];

    /// Its name in headers and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creations => "creations",
            Self::Bulk => "bulk",
            Self::FailedCredentials => "failed_credentials",
            Self::UnknownCodes => "unknown_codes",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// How much a policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens a minute.
    pub per_minute: u32,
    /// Tokens at once.
    pub burst: u32,
}

impl Budget {
    /// Tokens a second.
    fn rate(self) -> f64 {
        f64::from(self.per_minute) / 60.0
    }
}

/// Who is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitMode {
    /// Everybody but those who come from this machine and those with `ADMIN_TOKEN`.
    Auto,
    /// Everybody.
    On,
    /// Nobody.
    Off,
}

/// How clients are limited.
#[derive(Debug, Clone, Copy)]
pub struct LimitSettings {
    /// Who is.
    pub mode: LimitMode,
    /// By how much, in the order of [`Policy::ALL`].
    pub budgets: [Budget; 4],
    /// Whether budgets are shared with other replicas.
    pub shared: bool,
}

/// How a subject stands with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which policy.
    pub policy: Policy,
    /// Its tokens a minute.
    pub per_minute: u32,
    /// Tokens that this replica holds for the subject now.
    pub left: u32,
    /// After how long there may be another.
    pub next: Duration,
}

/// A request to one subject's pot in the database.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ask {
    policy: Policy,
    subject: Subject,
    wanted: f64,
    charge: f64,
    capacity: f64,
    rate: f64,
}

/// Tokens out of one subject's pot in the database.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Grant {
    policy: Policy,
    subject: Subject,
    tokens: f64,
    /// The charge of the ask, which is settled.
    charge: f64,
}

/// The budgets of this process's clients.
#[derive(Debug)]
pub struct Limits {
    settings: LimitSettings,
    tables: [Mutex<Table>; 4],
    fleet: Mutex<Fleet>,
    limited: [AtomicU64; 4],
}

impl Limits {
    /// Every budget untouched.
    pub fn new(settings: LimitSettings) -> Self {
        Self {
            settings,
            tables: std::array::from_fn(|_| Mutex::default()),
            fleet: Mutex::new(if settings.shared { Fleet::unknown() } else { Fleet::Alone }),
            limited: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Who is limited.
    pub fn mode(&self) -> LimitMode {
        self.settings.mode
    }

    /// Takes a token.
    ///
    /// # Errors
    /// Where there is none, how the subject stands.
    pub fn take(&self, policy: Policy, subject: Subject, now: Instant) -> Result<Standing, Standing> {
        self.ask_pot(policy, subject, now, true)
    }

    /// Whether there is a token, without taking it.
    ///
    /// # Errors
    /// Where there is none, how the subject stands.
    pub fn check(&self, policy: Policy, subject: Subject, now: Instant) -> Result<Standing, Standing> {
        self.ask_pot(policy, subject, now, false)
    }

    /// How many requests a policy refused.
    pub fn limited(&self, policy: Policy) -> u64 {
        self.limited[policy.index()].load(Ordering::Relaxed)
    }

    fn ask_pot(&self, policy: Policy, subject: Subject, now: Instant, take: bool) -> Result<Standing, Standing> {
        let budget = self.settings.budgets[policy.index()];
        let terms = self.fleet().terms(budget, now);
        let mut table = self.table(policy);
        let pot = table.pot(subject, &terms, now);
        let admitted = pot.admit(&terms, now, take);
        let next = Duration::from_secs_f64(pot.missing().max(1.0) / budget.rate());
        let standing = Standing { policy, per_minute: budget.per_minute, left: pot.whole(), next };
        if admitted {
            Ok(standing)
        } else {
            self.limited[policy.index()].fetch_add(1, Ordering::Relaxed);
            Err(standing)
        }
    }

    /// What to ask of the database, tokens that are given back being taken from the pots already.
    fn asks(&self, now: Instant) -> Vec<Ask> {
        let fleet = *self.fleet();
        let asks = Policy::ALL.into_iter().flat_map(|policy| {
            let terms = fleet.terms(self.settings.budgets[policy.index()], now);
            self.table(policy).asks(policy, &terms, now, ASKED_AT_ONCE)
        });
        asks.collect()
    }

    /// Takes in what the database granted, and how many replicas are at work.
    fn settle(&self, live: u32, grants: &[Grant], now: Instant) {
        for policy in Policy::ALL {
            let terms = self.fleet().terms(self.settings.budgets[policy.index()], now);
            // What these terms gave up to now is given before others hold.
            self.table(policy).accrue(&terms, now);
        }
        self.fleet().heard(live, now);
        for grant in grants {
            self.table(grant.policy).settle(grant);
        }
    }

    /// Forgets pots that are as good as new.
    fn sweep(&self, now: Instant) {
        let fleet = *self.fleet();
        for policy in Policy::ALL {
            let terms = fleet.terms(self.settings.budgets[policy.index()], now);
            self.table(policy).sweep(&terms, now);
        }
    }

    fn table(&self, policy: Policy) -> MutexGuard<'_, Table> {
        self.tables[policy.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
