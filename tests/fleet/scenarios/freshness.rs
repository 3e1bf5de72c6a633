//! Who is told that a link has changed finds it changed on every replica.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    api::{Api, Link, unique},
    faults::BlackHole,
    history::{History, State},
    load::quantile,
    report::ms,
    stack::Stack,
};

const CHANGERS: usize = 4;
const READERS: usize = 6;
/// Changes of one link, the last of which deletes it.
const LIFE: usize = 10;
/// The connections on which replicas listen for changes, told by what only they ask.
const LISTENERS: &str = "FROM pg_stat_activity WHERE application_name LIKE 'buoy%'
    AND state = 'idle' AND query ~ '^(SELECT 1$|LISTEN|SELECT pg_notify)|replicas'";

/// A link with its past; the changer replaces it when it was deleted.
type Slot = Mutex<Arc<(Link, History)>>;

/// What changers and readers share.
struct Stage {
    replicas: Vec<Api>,
    user: i64,
    slots: Vec<Slot>,
    /// How long a replica may show the old state after the change was answered.
    slack: Duration,
    /// How long a changer waits after each change.
    rest: Duration,
    done: AtomicBool,
    reads: AtomicU64,
}

/// Nothing is broken: not one stale answer.
pub(crate) async fn at_once(stack: &Stack) -> Result<String> {
    let stage = Stage::set(stack, Duration::ZERO, Duration::ZERO).await?;
    let times = play(&stage, 2_000).await?;
    Ok(figures(&stage, times))
}

/// Listeners are killed and black-holed all the while: the change is still answered soon, and seen soon after.
pub(crate) async fn without_listeners(stack: &Stack) -> Result<String> {
    let stage = Stage::set(stack, Duration::from_secs(2), Duration::from_millis(150)).await?;
    let breaking = break_listeners(stack, &stage);
    let playing = async {
        let times = play(&stage, 400).await;
        stage.done.store(true, Ordering::Relaxed);
        times
    };
    let (times, broken) = tokio::join!(playing, breaking);
    let (mut times, (killed, holes)) = (times?, broken?);
    let longest = quantile(&mut times, 1.0);
    ensure!(longest <= Duration::from_millis(500), "a change was answered only after {}", ms(longest));
    Ok(format!("{}, {killed} listeners killed, {holes} black-holed", figures(&stage, times)))
}

fn figures(stage: &Stage, mut times: Vec<Duration>) -> String {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| ms(quantile(&mut times, part)));
    let reads = stage.reads.load(Ordering::Relaxed);
    format!("{} changes, {reads} reads, none stale; answered after p50 {p50}, p99 {p99}, longest {max}", times.len())
}

impl Stage {
    async fn set(stack: &Stack, slack: Duration, rest: Duration) -> Result<Arc<Self>> {
        let replicas: Vec<Api> = stack.fleet().await?.iter().map(|replica| Api::at(replica.url())).collect();
        let user = replicas[0].user().await?;
        let mut slots = Vec::new();
        for link in replicas[0].links(user, CHANGERS * 5).await? {
            slots.push(Mutex::new(with_history(link)));
        }
        Ok(Arc::new(Self {
            replicas,
            user,
            slots,
            slack,
            rest,
            done: AtomicBool::default(),
            reads: AtomicU64::default(),
        }))
    }

    fn slot(&self, number: usize) -> Arc<(Link, History)> {
        let slot = &self.slots[number % self.slots.len()];
        Arc::clone(&slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows a link on one replica, and fails if that shows a state of the past.
    async fn read(&self, link: &(Link, History), replica: usize) -> Result<()> {
        let (link, history) = link;
        let read = history.read(self.slack);
        let seen = self.replicas[replica].follow(&link.code).await?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        ensure!(history.allows(&read, &seen), "replica {replica} shows an old state of {}: {seen:?}", link.code);
        Ok(())
    }
}

fn with_history(link: Link) -> Arc<(Link, History)> {
    let history = History::new(Some(link.target.clone()));
    Arc::new((link, history))
}

/// Changes links while others read them; answers how long each change took to be answered.
async fn play(stage: &Arc<Stage>, changes: usize) -> Result<Vec<Duration>> {
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        readers.spawn(keep_reading(Arc::clone(stage), reader));
    }
    let mut changers = JoinSet::new();
    for changer in 0..CHANGERS {
        changers.spawn(change(Arc::clone(stage), changer, changes / CHANGERS));
    }
    let mut times = Vec::new();
    let mut failure = None;
    while let Some(result) = changers.join_next().await {
        match result? {
            Ok(some) => times.extend(some),
            Err(error) => failure = Some(error),
        }
    }
    stage.done.store(true, Ordering::Relaxed);
    while let Some(result) = readers.join_next().await {
        result??;
    }
    failure.map_or(Ok(times), Err)
}

async fn keep_reading(stage: Arc<Stage>, reader: usize) -> Result<()> {
    let mut number = reader;
    while !stage.done.load(Ordering::Relaxed) {
        number += 7;
        stage.read(&stage.slot(number), number % stage.replicas.len()).await?;
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Changes the links of one changer in turn, each on another replica than the time before.
async fn change(stage: Arc<Stage>, changer: usize, count: usize) -> Result<Vec<Duration>> {
    let own: Vec<usize> = (0..stage.slots.len()).filter(|slot| slot % CHANGERS == changer).collect();
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let slot = own[number % own.len()];
        let step = number / own.len() % LIFE;
        let replica = (number + changer) % stage.replicas.len();
        let entry = stage.slot(slot);
        times.push(one_change(&stage, &entry, replica, step).await?);
        for other in 0..stage.replicas.len() {
            stage.read(&entry, other).await?;
        }
        sleep(stage.rest).await;
        if step == LIFE - 1 {
            let fresh = stage.replicas[replica].link(stage.user).await?;
            *stage.slots[slot].lock().unwrap_or_else(PoisonError::into_inner) = with_history(fresh);
        }
    }
    Ok(times)
}

/// Sends one change: asleep at steps 3 and 6, awake after them, deleted at the last, otherwise another target.
async fn one_change(stage: &Stage, entry: &(Link, History), replica: usize, step: usize) -> Result<Duration> {
    let (link, history) = entry;
    let target = format!("https://example.com/{}", unique("changed"));
    let leads: State = Some(target.clone());
    let (method, body, state) = match step {
        3 | 6 => (Method::PUT, Some(json!({"is_active": false})), None),
        4 | 7 => (Method::PUT, Some(json!({"is_active": true, "original_url": target})), leads),
        9 => (Method::DELETE, None, None),
        _ => (Method::PUT, Some(json!({"original_url": target})), leads),
    };
    history.begin(state);
    let started = Instant::now();
    let answer = stage.replicas[replica].send(method, &format!("/urls/{}", link.id), body).await?;
    let took = started.elapsed();
    history.answered();
    if !answer.status().is_success() {
        bail!("a change was answered with {}: {}", answer.status(), answer.text().await?);
    }
    Ok(took)
}

/// Until the play is done: kills every listener, then drops the packets of one for a while.
async fn break_listeners(stack: &Stack, stage: &Stage) -> Result<(u64, u64)> {
    let (mut killed, mut holes) = (0, 0);
    while !stage.done.load(Ordering::Relaxed) {
        let count = stack.sql(&format!("SELECT count(pg_terminate_backend(pid)) {LISTENERS}")).await?;
        killed += count.parse::<u64>()?;
        sleep(Duration::from_secs(1)).await;
        let found = stack.sql(&format!("SELECT host(client_addr) || ' ' || client_port {LISTENERS} LIMIT 1")).await?;
        let Some((address, port)) = found.split_once(' ') else { continue };
        let replicas = stack.containers("buoy").await?;
        let replica = replicas.iter().find(|replica| replica.back == address).context("a listener of nobody")?;
        let hole = BlackHole::around_ports(replica, &[port.to_owned()]).await?;
        holes += 1;
        sleep(Duration::from_secs(3)).await;
        hole.fill().await?;
    }
    ensure!(killed > 0 && holes > 0, "no listener was found to cut off");
    Ok((killed, holes))
}
