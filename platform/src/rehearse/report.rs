//! What a rehearsal found: a table, the connections, and what it cannot know.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    time::Duration,
};

use super::{database::Seen, load::Sample};

/// What no rehearsal on another machine can tell of the platform.
pub(super) const UNKNOWN: &[&str] = &[
    "how the platform's ingress treats a request whose connection breaks: here it is passed on to another \
     instance if it was never sent or its method is idempotent, and each one is counted above",
    "whether instances are replaced all together, as here, or one after the other, and how soon the ingress is told",
    "how soon the platform notices that a process has ended; here within milliseconds",
    "how long its ingress keeps idle connections to an instance, and whether it closes them in the drain",
    "how it limits memory and processors: neighbours may take a shared processor, and containers run under gVisor",
    "its builder (believed to be Kaniko): the Dockerfile is built here by this machine's engine",
    "whether a rollback runs the PRE_DEPLOY job again, as here; buoy's does nothing on a newer schema",
    "whether ${APP_URL} and ${_self.COMMIT_HASH} are filled in as the documentation says, the latter while building",
    "the private network, the cluster's failover and its maintenance; the database here is one local process",
];

/// One scenario in figures.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) outcome: String,
    pub(super) requests: usize,
    pub(super) failed_gets: usize,
    pub(super) failed_posts: usize,
    /// Why requests failed.
    pub(super) reasons: String,
    /// Passed on to another instance by the ingress.
    pub(super) unsent: u64,
    pub(super) again: u64,
    longest: Duration,
    took: Duration,
    /// Why it is not as it must be.
    pub(super) fault: Option<String>,
}

impl Row {
    pub(super) fn new(name: &'static str, samples: &[Sample], took: Duration) -> Self {
        let failed = |is_get: bool| samples.iter().filter(|it| it.is_get == is_get && it.failure.is_some()).count();
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for failure in samples.iter().filter_map(|sample| sample.failure.as_deref()) {
            *reasons.entry(failure).or_default() += 1;
        }
        let reasons: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} x {reason}")).collect();
        Self {
            name,
            outcome: String::new(),
            requests: samples.len(),
            failed_gets: failed(true),
            failed_posts: failed(false),
            reasons: reasons.join("; "),
            unsent: 0,
            again: 0,
            longest: samples.iter().map(|sample| sample.took).max().unwrap_or_default(),
            took,
            fault: None,
        }
    }
}

/// The whole.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
    connections: Option<(Seen, u32, u32)>,
}

impl Report {
    /// Takes a scenario in.
    pub(super) fn note(&mut self, row: Row) {
        match &row.fault {
            None => super::say(&format!("ok: {}", row.outcome)),
            Some(fault) => super::say(&format!("FAILED: {fault}")),
        }
        self.rows.push(row);
    }

    /// Takes in what was seen of connections, beside the sum of the spec and what the database allows.
    pub(super) fn note_connections(&mut self, seen: Seen, sum: u32, allowed: u32) {
        self.connections = Some((seen, sum, allowed));
    }

    /// Whether everything was as it must be.
    pub(super) fn is_good(&self) -> bool {
        let connections =
            self.connections.is_some_and(|(seen, sum, _)| seen.most > 0 && seen.most <= sum && seen.all_encrypted);
        !self.rows.is_empty() && self.rows.iter().all(|row| row.fault.is_none()) && connections
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| rehearsed | requests | failed GET | failed POST | passed on: never sent, sent again | longest | took \
             | outcome |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for row in &self.rows {
            let outcome = row.fault.as_ref().map_or(row.outcome.clone(), |fault| format!("FAILED: {fault}"));
            let (longest, took) = (row.longest.as_millis(), row.took.as_secs());
            let passed = format!("{}, {}", row.unsent, row.again);
            let (name, requests, gets, posts) = (row.name, row.requests, row.failed_gets, row.failed_posts);
            writeln!(f, "| {name} | {requests} | {gets} | {posts} | {passed} | {longest} ms | {took} s | {outcome} |")?;
        }
        if let Some((seen, sum, allowed)) = self.connections {
            let encrypted = if seen.all_encrypted { "all of them encrypted" } else { "NOT all of them encrypted" };
            writeln!(
                f,
                "\nMost connections at once: {}, {encrypted}; the spec's sum is {sum}, the database allows {allowed}.",
                seen.most
            )?;
        }
        writeln!(f, "\nWhat this cannot know of the real platform:")?;
        UNKNOWN.iter().try_for_each(|line| writeln!(f, "- {line}"))
    }
}
