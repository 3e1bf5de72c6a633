//! What is rehearsed, in its order: each scenario says what must happen, and leaves a live version behind.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use super::{
    deployment::{Outcome, Platform},
    instance::{Instance, State},
    load::{Load, Visitor},
    report::{Report, Row},
    say,
    versions::{NO_OBSTACLE, OBSTACLE, Version, Versions},
};

/// How long the load goes on before and after what is rehearsed.
const QUIET: Duration = Duration::from_secs(2);
/// How long a killed instance may take to be back.
const BACK: Duration = Duration::from_secs(30);
/// An address at which no database is: a password that was rotated, or a cluster that was renamed, looks the same.
const NOWHERE: &str = "postgresql://doadmin:wrong@nowhere.rehearsal.internal:25060/defaultdb?sslmode=require";

/// The stage: what is deployed, and who visits it.
pub(super) struct Stage {
    pub(super) platform: Platform,
    pub(super) versions: Versions,
    pub(super) rate: u32,
}

/// Whether requests may fail: none, or the POSTs that were under way on an instance that was killed.
enum Allowed<'a> {
    Nothing,
    PostsOn(&'a str),
}

impl Stage {
    /// Runs every scenario; one that fails is noted, and those that can still run do.
    pub(super) async fn run(&self, report: &mut Report) -> Result<()> {
        let load = self.first(report).await?;
        let result = self.others(&load, report).await;
        load.stop().await;
        // What is removed now is not to be started again.
        self.platform.live().iter().for_each(|instance| instance.dismiss());
        result
    }

    /// The first deployment. Visitors come as soon as there is something to visit.
    async fn first(&self, report: &mut Report) -> Result<Load> {
        say("— first deployment");
        let began = Instant::now();
        let outcome = self.platform.deploy(&self.versions.this, &[]).await?;
        let Outcome::Live { ready_after, .. } = outcome else {
            bail!("the first deployment failed: {}", told(&outcome))
        };
        let visitor = self.visitor(&self.versions.this)?;
        let load = Load::start(visitor, self.rate).await?;
        let loaded = Instant::now();
        sleep(QUIET * 2).await;
        let samples = load.between(loaded, Instant::now()).await;
        let row = Row::new("first deployment", &samples, began.elapsed());
        let result = self.runs(&self.versions.this).await;
        report.note(self.judged(
            row,
            result,
            format!("ready after {:.1} s", ready_after.as_secs_f64()),
            &Allowed::Nothing,
        ));
        Ok(load)
    }

    async fn others(&self, load: &Load, report: &mut Report) -> Result<()> {
        let (this, next) = (&self.versions.this, &self.versions.next);
        report.note(
            self.watched("a version whose migration fails", load, self.migration_fails(), &Allowed::Nothing).await,
        );
        report.note(
            self.watched("a new version with a new migration", load, self.goes_live(next), &Allowed::Nothing).await,
        );
        report.note(
            self.watched("a version that never becomes ready", load, self.never_ready(), &Allowed::Nothing).await,
        );
        report
            .note(self.watched("rollback to the version before", load, self.goes_live(this), &Allowed::Nothing).await);
        let live = self.platform.live();
        let victim = live.first().context("no instance is live")?;
        let allowed = Allowed::PostsOn(&victim.name);
        report.note(self.watched("one instance killed", load, self.killed(victim), &allowed).await);
        Ok(())
    }

    fn visitor(&self, version: &Version) -> Result<Visitor> {
        Visitor::new(self.platform.ingress.url(), self.platform.credential(version))
    }

    /// Runs one scenario under load, and judges what visitors noticed.
    async fn watched(
        &self,
        name: &'static str,
        load: &Load,
        scenario: impl Future<Output = Result<String>>,
        allowed: &Allowed<'_>,
    ) -> Row {
        say(&format!("— {name}"));
        self.platform.ingress.take_broken();
        let (began, passed) = (Instant::now(), self.platform.ingress.passed());
        sleep(QUIET).await;
        let result = scenario.await;
        sleep(QUIET).await;
        let samples = load.between(began, Instant::now()).await;
        let now = self.platform.ingress.passed();
        let mut row = Row::new(name, &samples, began.elapsed());
        row.unsent = now.unsent - passed.unsent;
        row.again = now.again - passed.again;
        match result {
            Ok(figures) => self.judged(row, Ok(()), figures, allowed),
            Err(error) => self.judged(row, Err(error), String::new(), allowed),
        }
    }

    fn judged(&self, mut row: Row, result: Result<()>, figures: String, allowed: &Allowed<'_>) -> Row {
        row.outcome = figures;
        let broken = self.platform.ingress.take_broken();
        let verdict = result.and_then(|()| match allowed {
            Allowed::PostsOn(name) => {
                let elsewhere = broken.iter().filter(|instance| instance != name).count();
                ensure!(row.failed_gets == 0, "{} GETs failed: {}", row.failed_gets, row.reasons);
                ensure!(
                    elsewhere == 0 && row.failed_posts <= broken.len(),
                    "requests failed that were not under way on {name}: {}",
                    row.reasons
                );
                Ok(())
            }
            Allowed::Nothing => {
                ensure!(row.failed_gets + row.failed_posts == 0, "requests failed: {}", row.reasons);
                Ok(())
            }
        });
        row.fault = verdict
            .and_then(|()| {
                ensure!(row.requests > 0, "there was no request");
                Ok(())
            })
            .err()
            .map(|error| format!("{error:#}"));
        row
    }

    /// That every answer comes from a version, and that it is ready.
    async fn runs(&self, version: &Version) -> Result<()> {
        let visitor = self.visitor(version)?;
        for _ in 0..2 * self.platform.live().len() {
            let health = visitor.get("/health").await?;
            ensure!(
                health["commit"] == version.commit.as_str(),
                "{} runs, and not {}",
                health["commit"],
                version.commit
            );
            let ready = visitor.get("/ready").await?;
            ensure!(ready["status"] == "ready", "it says of itself: {}", ready["status"]);
        }
        Ok(())
    }

    async fn goes_live(&self, version: &Version) -> Result<String> {
        let outcome = self.platform.deploy(version, &[]).await?;
        let Outcome::Live { ready_after, ended } = outcome else { bail!("{}", told(&outcome)) };
        self.runs(version).await?;
        for end in &ended {
            ensure!(end.code == 0 && !end.killed, "an old instance ended with {}, killed: {}", end.code, end.killed);
        }
        let longest = ended.iter().map(|end| end.after).max().unwrap_or_default();
        Ok(format!(
            "ready after {:.1} s; old ones exit 0 at most {:.1} s after SIGTERM",
            ready_after.as_secs_f64(),
            longest.as_secs_f64()
        ))
    }

    /// The next version, while something stands in its migration's way.
    async fn migration_fails(&self) -> Result<String> {
        let database = &self.platform.database;
        let before = self.processes().await?;
        database.sql(OBSTACLE).await?;
        let schema = database.schema().await?;
        let outcome = self.platform.deploy(&self.versions.next, &[]).await;
        let after = database.schema().await?;
        database.sql(NO_OBSTACLE).await?;
        let outcome = outcome?;
        let Outcome::JobFailed { code, said } = outcome else { bail!("it did not fail: {}", told(&outcome)) };
        ensure!(said.contains("already exists"), "the job does not say why: {said}");
        ensure!(schema == after, "the schema changed");
        self.untouched(&before).await?;
        Ok(format!("job exit {code} with its reason, schema unchanged, old instances untouched"))
    }

    /// A version whose service cannot find its database, though its job could.
    async fn never_ready(&self) -> Result<String> {
        let before = self.processes().await?;
        let outcome = self.platform.deploy(&self.versions.next, &[("DATABASE_URL", NOWHERE)]).await?;
        let Outcome::NeverReady { after, .. } = outcome else { bail!("it went live: {}", told(&outcome)) };
        self.untouched(&before).await?;
        Ok(format!("given up after {} s, old instances untouched", after.as_secs()))
    }

    async fn killed(&self, victim: &Arc<Instance>) -> Result<String> {
        let killed = Instant::now();
        victim.kill().await?;
        while victim.state() == State::Ready {
            ensure!(killed.elapsed() < BACK, "nobody noticed that {} is gone", victim.name);
            sleep(Duration::from_millis(5)).await;
        }
        let noticed = killed.elapsed();
        while victim.state() != State::Ready {
            ensure!(killed.elapsed() < BACK, "{} did not come back: {:?}", victim.name, victim.state());
            sleep(Duration::from_millis(20)).await;
        }
        let back = killed.elapsed();
        self.runs(&self.versions.this).await?;
        Ok(format!("noticed after {} ms, back after {:.1} s", noticed.as_millis(), back.as_secs_f64()))
    }

    async fn processes(&self) -> Result<Vec<(Arc<Instance>, String)>> {
        let mut processes = Vec::new();
        for instance in self.platform.live() {
            let process = instance.process().await?;
            processes.push((instance, process));
        }
        Ok(processes)
    }

    async fn untouched(&self, before: &[(Arc<Instance>, String)]) -> Result<()> {
        for (instance, process) in before {
            ensure!(instance.process().await? == *process, "{} is not the same process any more", instance.name);
            ensure!(instance.state() == State::Ready, "{} gets no requests any more", instance.name);
        }
        Ok(())
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Live { .. } => "the deployment succeeded".to_owned(),
        Outcome::JobFailed { code, said } => format!("the job ended with {code}: {said}"),
        Outcome::NeverReady { reason, .. } => format!("an instance was never ready: {reason}"),
    }
}
