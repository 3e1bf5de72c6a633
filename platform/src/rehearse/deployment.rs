//! A deployment as the platform makes it: the job before it, new instances beside the old ones, probes, the switch of
//! traffic, the end of the old ones. If a step fails, the new instances go, and the old ones are as they were.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    database::Database,
    engine::{Engine, docker, docker_status},
    environment::Bindings,
    ingress::Ingress,
    instance::{Ended, Instance, Plan},
    say,
    versions::Version,
};
use crate::{
    check::Sound,
    sizes,
    spec::{App, Component},
};

/// The platform's limit for a job before a deployment.
const JOB_LIMIT: Duration = Duration::from_secs(1_800);
const PRE_DEPLOY: &str = "PRE_DEPLOY";

/// What is deployed, and on which engine.
pub(super) struct Platform {
    pub(super) engine: Engine,
    pub(super) database: Database,
    pub(super) ingress: Arc<Ingress>,
    app: App,
    service: Component,
    job: Component,
    live: Mutex<Vec<Arc<Instance>>>,
    releases: std::sync::atomic::AtomicU32,
}

/// How a deployment went.
pub(super) enum Outcome {
    /// The new version gets all requests, and the old one has ended.
    Live { ready_after: Duration, ended: Vec<Ended> },
    /// The job failed; nothing else was done.
    JobFailed { code: i32, said: String },
    /// An instance was never ready; the new ones were removed.
    NeverReady { reason: String, after: Duration },
}

impl Platform {
    /// A platform on which nothing is deployed yet.
    pub(super) fn new(engine: Engine, database: Database, ingress: Arc<Ingress>, sound: &Sound) -> Result<Self> {
        let app = sound.app.clone();
        ensure!(app.services.len() == 1, "the rehearsal knows apps of one service, found {}", app.services.len());
        let service = app.services[0].clone();
        let job = app.jobs.iter().find(|job| job.kind.as_deref() == Some(PRE_DEPLOY)).cloned();
        let job = job.context("the spec has no PRE_DEPLOY job")?;
        let (live, releases) = (Mutex::default(), 0.into());
        Ok(Self { engine, database, ingress, app, service, job, live, releases })
    }

    /// The instances that get requests.
    pub(super) fn live(&self) -> Vec<Arc<Instance>> {
        self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// A header that authenticates the load, if the spec has a credential for it.
    pub(super) fn credential(&self, version: &Version) -> Option<String> {
        self.bindings().variables(&self.service, version).get("ADMIN_TOKEN").map(|token| format!("Bearer {token}"))
    }

    fn bindings(&self) -> Bindings<'_> {
        Bindings { app: &self.app, database: &self.database, url: self.ingress.url() }
    }

    /// Deploys a version; `overrides` are variables of the service that a broken spec would have.
    pub(super) async fn deploy(&self, version: &Version, overrides: &[(&str, &str)]) -> Result<Outcome> {
        let release = self.releases.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let (code, said) = self.run_job(version, release).await?;
        if code != 0 {
            say(&format!(
                "release {release}: the job {} ended with {code}; the deployment is cancelled",
                self.job.name
            ));
            return Ok(Outcome::JobFailed { code, said });
        }
        let started = Instant::now();
        let new = self.start(version, release, overrides).await?;
        for instance in &new {
            if let Err(reason) = instance.settled().await {
                let after = started.elapsed();
                say(&format!("{} is given up after {} s: {reason}", instance.name, after.as_secs()));
                end(&new).await?;
                return Ok(Outcome::NeverReady { reason, after });
            }
        }
        let ready_after = started.elapsed();
        say(&format!("release {release}: all ready after {:.1} s, switching", ready_after.as_secs_f64()));
        self.ingress.switch(&new);
        let old = std::mem::replace(&mut *self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner), new);
        let ended = self.retire(&old).await?;
        Ok(Outcome::Live { ready_after, ended })
    }

    /// Runs the job to its end; answers its exit code and what it said last.
    async fn run_job(&self, version: &Version, release: u32) -> Result<(i32, String)> {
        let name = format!("{}-{}-{release}", self.engine.name, self.job.name);
        let slug = self.job.instance_size_slug.as_deref().unwrap_or_default();
        let size = sizes::named(slug).with_context(|| format!("{slug} is no known size"))?;
        let (label, memory, cpus) = (self.engine.label(), format!("{}m", size.memory), size.cpus.to_string());
        let variables = self.bindings().variables(&self.job, version);
        let variables: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut args = vec!["run", "--name", &name, "--label", &label, "--network", &self.engine.name];
        args.extend(["--memory", &memory, "--cpus", &cpus]);
        variables.iter().for_each(|variable| args.extend(["--env", variable]));
        args.push(version.image);
        let started = Instant::now();
        let (code, said) = docker_status(&args, JOB_LIMIT).await?;
        let last = said.lines().last().unwrap_or_default().to_owned();
        say(&format!(
            "release {release}: {} ended with {code} after {:.1} s",
            self.job.name,
            started.elapsed().as_secs_f64()
        ));
        docker(&["rm", "--force", &name]).await?;
        Ok((code, last))
    }

    /// Starts every instance concurrently, beside those that run.
    async fn start(&self, version: &Version, release: u32, overrides: &[(&str, &str)]) -> Result<Vec<Arc<Instance>>> {
        let mut variables = self.bindings().variables(&self.service, version);
        variables.extend(overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let slug = self.service.instance_size_slug.as_deref().unwrap_or_default();
        let size = sizes::named(slug).with_context(|| format!("{slug} is no known size"))?;
        let (engine, service) = (self.engine.clone(), self.service.clone());
        let plan = Arc::new(Plan { engine, image: version.image, variables, service, size });
        let mut instances = Vec::new();
        for number in 1..=self.service.least_instances() {
            let name = format!("{}-{release}-{number}", self.service.name);
            instances.push(Instance::start(Arc::clone(&plan), &name).await?);
        }
        Ok(instances)
    }

    /// Drains instances that get no requests any more, and ends them.
    async fn retire(&self, old: &[Arc<Instance>]) -> Result<Vec<Ended>> {
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let drain = self.service.termination.drain_seconds;
        say(&format!("the old instances drain for {drain} s"));
        sleep(Duration::from_secs(drain.into())).await;
        end(old).await
    }
}

/// Ends and removes instances, all concurrently.
async fn end(instances: &[Arc<Instance>]) -> Result<Vec<Ended>> {
    let mut ends = JoinSet::new();
    for instance in instances.iter().map(Arc::clone) {
        ends.spawn(async move {
            let ended = instance.stop().await?;
            let how = if ended.killed { ", killed" } else { "" };
            say(&format!("{} ended with {} after {:.1} s{how}", instance.name, ended.code, ended.after.as_secs_f64()));
            instance.remove().await.map(|()| ended)
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = ends.join_next().await {
        all.push(ended??);
    }
    Ok(all)
}
