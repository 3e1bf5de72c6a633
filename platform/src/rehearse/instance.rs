//! One instance of the service: its container, the probes that decide over it, and its end.
//!
//! The runtime does here what the platform's does: an instance whose process has ended gets no requests from that
//! moment on and is started again; readiness decides whether it gets requests, liveness whether it is restarted.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    engine::{Engine, docker, docker_status},
    probe::{self, Verdict},
    say,
};
use crate::{
    sizes::Size,
    spec::{Component, Probe},
};

/// How often an instance may end by itself before it was ever ready.
const DEATHS: u32 = 3;
/// The pause before an ended instance is started again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long `docker wait` may wait.
const FOREVER: Duration = Duration::from_secs(3_600);
/// How long a container's own address may take to answer, before its published port is used instead.
const REACH: Duration = Duration::from_secs(2);

/// What an instance is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It has not been ready.
    Starting,
    /// It gets requests.
    Ready,
    /// It was ready and is not.
    Unready,
    /// It was never ready, and is given up.
    Failed(String),
}

/// How an instance ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) after: Duration,
    /// Whether it had to be killed.
    pub(super) killed: bool,
}

/// What every instance of a release has in common.
pub(super) struct Plan {
    pub(super) engine: Engine,
    pub(super) image: &'static str,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) service: Component,
    pub(super) size: &'static Size,
}

/// One instance.
pub(super) struct Instance {
    pub(super) name: String,
    plan: Arc<Plan>,
    state: watch::Sender<State>,
    address: Mutex<Option<SocketAddr>>,
    was_ready: AtomicBool,
    stopping: CancellationToken,
}

impl Instance {
    /// Starts a container and what looks after it.
    pub(super) async fn start(plan: Arc<Plan>, name: &str) -> Result<Arc<Self>> {
        let instance = Self {
            name: name.to_owned(),
            plan,
            state: watch::Sender::new(State::Starting),
            address: Mutex::new(None),
            was_ready: AtomicBool::new(false),
            stopping: CancellationToken::new(),
        };
        instance.run().await?;
        let instance = Arc::new(instance);
        tokio::spawn(Arc::clone(&instance).look_after());
        Ok(instance)
    }

    async fn run(&self) -> Result<()> {
        let plan = &self.plan;
        let (label, container) = (plan.engine.label(), self.container());
        let port = format!("127.0.0.1::{}", plan.service.port());
        let (memory, cpus) = (format!("{}m", plan.size.memory), plan.size.cpus.to_string());
        let variables: Vec<String> = plan.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut args = vec!["run", "--detach", "--name", &container, "--hostname", &self.name, "--label", &label];
        args.extend(["--network", &plan.engine.name, "--publish", &port, "--memory", &memory, "--cpus", &cpus]);
        variables.iter().for_each(|variable| args.extend(["--env", variable]));
        args.push(plan.image);
        docker(&args).await.map(drop)
    }

    fn container(&self) -> String {
        format!("{}-{}", self.plan.engine.name, self.name)
    }

    /// What it is good for now.
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Its address while it gets requests.
    pub(super) fn open(&self) -> Option<SocketAddr> {
        if *self.state.borrow() == State::Ready { *self.address() } else { None }
    }

    /// Waits until it has been ready, or is given up; answers why.
    pub(super) async fn settled(&self) -> Result<(), String> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| matches!(state, State::Ready | State::Failed(_))).await;
        match settled.as_deref() {
            Ok(State::Failed(reason)) => Err(reason.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err("nobody looks after it any more".to_owned()),
        }
    }

    fn address(&self) -> std::sync::MutexGuard<'_, Option<SocketAddr>> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, state: State) {
        if matches!(state, State::Ready) {
            self.was_ready.store(true, Ordering::Relaxed);
        }
        self.state.send_if_modified(|now| {
            let is_new = *now != state;
            *now = state;
            is_new
        });
    }

    /// It gets no more requests.
    fn close(&self) {
        self.turn(if self.was_ready.load(Ordering::Relaxed) { State::Unready } else { State::Starting });
    }

    /// Probes it and starts it again if it ends, until it is told to stop or given up.
    async fn look_after(self: Arc<Self>) {
        let stopping = self.stopping.clone();
        stopping.run_until_cancelled(self.lives()).await;
    }

    async fn lives(&self) {
        let mut deaths = 0;
        loop {
            let reason = tokio::select! {
                code = self.ended() => {
                    self.close();
                    Some(format!("its process ended with {code}: {}", self.last_words().await))
                }
                verdict = self.probed() => match verdict {
                    Verdict::NeverReady(reason) => return self.turn(State::Failed(reason)),
                    Verdict::Dead => {
                        say(&format!("{}: liveness has failed, restarting", self.name));
                        docker(&["kill", &self.container()]).await.ok();
                        self.close();
                        None
                    }
                },
            };
            if let Some(reason) = reason {
                deaths += 1;
                say(&format!("{}: {reason}", self.name));
                if !self.was_ready.load(Ordering::Relaxed) && deaths >= DEATHS {
                    return self.turn(State::Failed(reason));
                }
            }
            sleep(PAUSE).await;
            if let Err(error) = docker(&["start", &self.container()]).await {
                return self.turn(State::Failed(format!("it could not be started again: {error:#}")));
            }
        }
    }

    /// Returns when the process has ended, with its exit code.
    async fn ended(&self) -> i32 {
        let waited = docker_status(&["wait", &self.container()], FOREVER).await;
        waited.ok().and_then(|(_, code)| code.parse().ok()).unwrap_or(-1)
    }

    async fn last_words(&self) -> String {
        let logs = docker_status(&["logs", "--tail", "1", &self.container()], REACH).await;
        logs.map(|(_, line)| line).unwrap_or_default()
    }

    /// Finds out its address, and applies both probes.
    async fn probed(&self) -> Verdict {
        let address = match self.locate().await {
            Ok(address) => address,
            Err(error) => return Verdict::NeverReady(format!("its address is not known: {error:#}")),
        };
        *self.address() = Some(address);
        let readiness: Probe = self.plan.service.readiness();
        let was_ready = self.was_ready.load(Ordering::Relaxed);
        let ready = probe::readiness(address, &readiness, was_ready, |ready| {
            self.turn(if ready { State::Ready } else { State::Unready });
        });
        match self.plan.service.liveness() {
            None => ready.await,
            Some(liveness) => tokio::select! {
                verdict = ready => verdict,
                () = probe::until_dead(address, &liveness) => Verdict::Dead,
            },
        }
    }

    /// The container's own address if it can be reached from here, as it can beside the engine; else the published
    /// port. At its own address a connection is refused as soon as the process is gone, as the platform's network
    /// does it.
    async fn locate(&self) -> Result<SocketAddr> {
        let network = format!("{{{{(index .NetworkSettings.Networks \"{}\").IPAddress}}}}", self.plan.engine.name);
        let own: IpAddr = docker(&["inspect", "--format", &network, &self.container()]).await?.parse()?;
        let own = SocketAddr::new(own, self.plan.service.port());
        let started = Instant::now();
        while started.elapsed() < REACH {
            if let Ok(Ok(_)) = timeout(REACH, TcpStream::connect(own)).await {
                return Ok(own);
            }
            sleep(Duration::from_millis(50)).await;
        }
        let published = docker(&["port", &self.container(), &self.plan.service.port().to_string()]).await?;
        let port = published.lines().next().and_then(|line| line.rsplit(':').next()).and_then(|port| port.parse().ok());
        Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.with_context(|| format!("no port in {published:?}"))?))
    }

    /// It is not supervised from now on.
    pub(super) fn dismiss(&self) {
        self.stopping.cancel();
    }

    /// Kills it as a fault would: without a warning.
    pub(super) async fn kill(&self) -> Result<()> {
        docker(&["kill", "--signal", "KILL", &self.container()]).await.map(drop)
    }

    /// Ends it as the platform does: SIGTERM, and SIGKILL if it has not ended by itself when the grace period is over.
    pub(super) async fn stop(&self) -> Result<Ended> {
        self.stopping.cancel();
        self.turn(State::Unready);
        let container = self.container();
        let grace = Duration::from_secs(self.plan.service.termination.grace_period_seconds.into());
        let started = Instant::now();
        // It may have ended by itself.
        docker_status(&["kill", "--signal", "TERM", &container], FOREVER).await?;
        let killed = timeout(grace, self.ended()).await.is_err();
        if killed {
            docker(&["kill", "--signal", "KILL", &container]).await?;
        }
        let after = started.elapsed();
        Ok(Ended { code: self.ended().await, after, killed })
    }

    /// Removes what is left of it.
    pub(super) async fn remove(&self) -> Result<()> {
        docker(&["rm", "--force", "--volumes", &self.container()]).await.map(drop)
    }

    /// When its process was started, and whether it still runs: the same answer twice means the same process.
    pub(super) async fn process(&self) -> Result<String> {
        docker(&["inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", &self.container()]).await
    }
}
