//! How often a client may do what costs others (rate limits), and how much work is taken in ([`Load`]).
//!
//! A rate limit is a token bucket for each client. The client of a key is its user: their buckets lie in the
//! database, and a token is taken in the transaction that does the work, so that a limit is exact over the fleet. Any
//! other client is a network. Its buckets are each replica's own, at the rate divided by the live replicas: a refusal
//! costs the database nothing, and no address reaches it. Leaves out: who is whose client, and what is answered,
//! which is the HTTP side's.

pub mod exclusive;
pub mod load;
mod networks;
pub mod subject;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ipnet::IpNet;

use self::networks::Networks;
pub use self::{exclusive::Exclusive, load::Load, subject::Subject};
use crate::{
    db::{Result, Tx},
    domain::{LimitMode, Policy, RateLimit, UserId, clock::Timestamp},
    store::{Bucket, Taken},
};

/// How clients are limited.
#[derive(Debug, Clone, Copy)]
pub struct LimitSettings {
    /// Which clients are.
    pub mode: LimitMode,
    /// How often each policy may be used.
    pub creations: RateLimit,
    /// The same.
    pub bulk: RateLimit,
    /// The same.
    pub failed_credentials: RateLimit,
    /// The same.
    pub unknown_codes: RateLimit,
}

impl LimitSettings {
    fn limit(&self, policy: Policy) -> RateLimit {
        match policy {
            Policy::Creations => self.creations,
            Policy::Bulk => self.bulk,
            Policy::FailedCredentials => self.failed_credentials,
            Policy::UnknownCodes => self.unknown_codes,
        }
    }
}

/// What is in a client's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What is limited.
    pub policy: Policy,
    /// How often.
    pub limit: RateLimit,
    /// Tokens that can be taken now.
    pub left: u32,
    /// After how long there is one more.
    pub next: Duration,
}

/// The rate limits of this process's clients.
#[derive(Debug)]
pub struct Limits {
    settings: LimitSettings,
    networks: [Networks; 4],
    limited: [AtomicU64; 4],
}

impl Limits {
    /// Every bucket of a network full.
    pub fn new(settings: LimitSettings) -> Self {
        let networks = Policy::ALL.map(|policy| Networks::new(settings.limit(policy)));
        Self { settings, networks, limited: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Which clients are limited.
    pub fn mode(&self) -> LimitMode {
        self.settings.mode
    }

    /// Takes a token of a network, which has one `replicas`th of the limit here.
    ///
    /// # Errors
    /// The standing of a client without a token.
    pub fn take(&self, policy: Policy, network: IpNet, replicas: u32) -> std::result::Result<Standing, Standing> {
        self.ask(policy, network, replicas, true)
    }

    /// The same without taking the token.
    ///
    /// # Errors
    /// As [`Limits::take`].
    pub fn check(&self, policy: Policy, network: IpNet, replicas: u32) -> std::result::Result<Standing, Standing> {
        self.ask(policy, network, replicas, false)
    }

    /// Takes a token of a user; it is back if the transaction is undone. Answers the standing, as an error without a
    /// token.
    pub async fn take_of_user(
        &self,
        tx: &mut Tx,
        policy: Policy,
        user: UserId,
        now: Timestamp,
    ) -> Result<std::result::Result<Standing, Standing>> {
        let taken = tx.take_token(self.bucket(policy, user), now).await?;
        Ok(self.standing(policy, taken))
    }

    /// The bucket of a user.
    pub fn bucket(&self, policy: Policy, user: UserId) -> Bucket {
        let limit = self.settings.limit(policy);
        Bucket { policy, user, interval: limit.interval(), burst: limit.burst }
    }

    /// The standing of a user who asked for a token.
    ///
    /// # Errors
    /// The standing of one who got none.
    pub fn standing(&self, policy: Policy, taken: Taken) -> std::result::Result<Standing, Standing> {
        let limit = self.settings.limit(policy);
        match taken {
            Taken::Left(left) => Ok(Standing { policy, limit, left, next: limit.interval() }),
            Taken::After(next) => Err(self.refuse(Standing { policy, limit, left: 0, next })),
        }
    }

    /// How many requests a policy refused.
    pub fn limited(&self, policy: Policy) -> u64 {
        self.limited[policy as usize].load(Ordering::Relaxed)
    }

    fn ask(
        &self,
        policy: Policy,
        network: IpNet,
        replicas: u32,
        takes: bool,
    ) -> std::result::Result<Standing, Standing> {
        let limit = self.settings.limit(policy);
        match self.networks[policy as usize].ask(network, replicas, takes) {
            Ok(left) => Ok(Standing { policy, limit, left, next: limit.interval() * replicas.max(1) }),
            Err(next) => Err(self.refuse(Standing { policy, limit, left: 0, next })),
        }
    }

    fn refuse(&self, standing: Standing) -> Standing {
        self.limited[standing.policy as usize].fetch_add(1, Ordering::Relaxed);
        standing
    }
}
