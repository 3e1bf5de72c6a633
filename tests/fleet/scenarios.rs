//! The scenarios, in the order in which they run: those that start from nothing come first and leave a fleet behind.

mod bounds;
mod crash;
mod database;
mod freshness;
mod idempotency;
mod proxy;
mod schema;
mod start;

use std::{future::Future, pin::Pin, time::Duration};

use anyhow::Result;

use crate::stack::Stack;

/// No scenario takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

type Running<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// What must hold, and how it is tried.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Answers its figures.
    pub(crate) run: for<'a> fn(&'a Stack) -> Running<'a>,
}

macro_rules! scenarios {
    ($($name:literal: $run:path,)*) => {
        &[$(Scenario { name: $name, run: |stack| Box::pin($run(stack)) },)*]
    };
}

/// All of them.
pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "a replica without any network lives and keeps trying": start::no_network,
    "the database appears 8 s after everything else": start::late_database,
    "three replicas and two migrations start together": start::together,
    "the fleet's memory, idle and under load": start::memory,
    "a migration that fails changes nothing": schema::failing_migration,
    "an older version on a newer schema stays ready": schema::newer_schema,
    "nginx answers in the contract's shape": proxy::shapes,
    "nginx delivers long heads": bounds::long_heads,
    "nginx bears bodies that never end": bounds::unfinished_bodies,
    "nginx is reloaded under load": proxy::reload,
    "a replica is killed under load": crash::killed,
    "a replica comes back under another address": crash::new_address,
    "a rolling restart of all replicas under load": crash::rolling_restart,
    "a replica is frozen for 7 s": crash::frozen,
    "the database is stopped for 15 s under load": database::stopped,
    "connections to the database are black-holed for 15 s": database::black_holed,
    "2000 changes are seen at once on every replica": freshness::at_once,
    "changes while the listeners are cut off": freshness::without_listeners,
    "one idempotency key on two replicas makes one link": idempotency::two_replicas,
    "one idempotency key before and after a kill makes one link": idempotency::after_a_kill,
};
