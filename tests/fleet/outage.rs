//! What must hold while the database cannot be reached, however it is lost.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

use crate::{
    api::{Api, Link},
    clicks::Ledger,
    load::{Ask, Load, Samples},
    report::ms,
    stack::{Container, Stack},
};

/// How long the database is away.
pub(crate) const OUTAGE: Duration = Duration::from_secs(15);
/// How long everything may take to be well after its return.
const RECOVERY: Duration = Duration::from_secs(5);
/// How long load goes on after its return.
const AFTERWARDS: Duration = Duration::from_secs(6);
/// Cached links answer within this, 99 of 100.
const CACHED_P99: Duration = Duration::from_millis(50);
/// What needs the database is refused within this.
const REFUSAL: Duration = Duration::from_secs(1);
/// Time for what was under way when the fault began or ended.
const EDGE: Duration = Duration::from_secs(2);
const CACHED: usize = 30;
const COLD: usize = 600;

/// The fleet under load, with links that every replica has in its cache and links that none has.
pub(crate) struct Outage<'a> {
    stack: &'a Stack,
    replicas: Vec<Container>,
    clicks: Ledger,
    hot: Load,
    cold_links: Arc<Vec<Link>>,
    cold: Option<(Instant, Load)>,
}

impl<'a> Outage<'a> {
    /// Makes the links and starts the load on the cached ones.
    pub(crate) async fn prepare(stack: &'a Stack) -> Result<Self> {
        let replicas = stack.fleet().await?;
        let api = Api::at(stack.nginx());
        let user = api.user().await?;
        let cold_links = Arc::new(api.links(user, COLD).await?);
        let cached = api.links(user, CACHED).await?;
        for replica in &replicas {
            Api::at(replica.url()).warm(&cached).await?;
        }
        let clicks = Ledger::read(stack, &replicas).await?;
        let urls: Vec<String> = cached.iter().map(|link| format!("{}/{}", stack.nginx(), link.code)).collect();
        let hot = Load::start(6, Duration::from_millis(10), move |worker, number| {
            Ask::get(urls[(worker * 7 + number) as usize % urls.len()].clone())
        });
        sleep(Duration::from_secs(1)).await;
        Ok(Self { stack, replicas, clicks, hot, cold_links, cold: None })
    }

    /// Notes that the database was just lost, and starts asking for links that are in no cache.
    pub(crate) fn lost(&mut self) {
        let links = Arc::clone(&self.cold_links);
        let nginx = self.stack.nginx();
        // Each link once a round, so that an answer is never one that this load itself brought into a cache.
        let load = Load::start(4, Duration::from_millis(100), move |worker, number| {
            Ask::get(format!("{nginx}/{}", links[(worker + number * 4) as usize % links.len()].code))
        });
        self.cold = Some((Instant::now(), load));
    }

    /// Notes that the database is back since `back`, and answers the figures if all that must hold has held.
    pub(crate) async fn judge(self, back: Instant) -> Result<String> {
        sleep((back + AFTERWARDS).saturating_duration_since(Instant::now())).await;
        let Some((lost, cold)) = self.cold else { anyhow::bail!("the database was never lost") };
        let hot = self.hot.stop().await?;
        let cold = cold.stop().await?;
        hot.all_good()?;
        let during = hot.within(lost, back);
        let p99 = during.quantile(0.99);
        ensure!(p99 < CACHED_P99, "cached links took {} (p99) during the outage", ms(p99));
        let refused = refusals(&cold.within(lost + EDGE, back))?;
        let well_after = recovery(&cold, back)?;
        self.stack.wait_ready(self.replicas.len(), RECOVERY).await?;
        self.stack.no_restart(&self.replicas).await?;
        let clicks = Ledger::read(self.stack, &self.replicas).await?.nothing_lost_since(&self.clicks)?;
        Ok(format!(
            "cached links during the outage: {}; others: {}; well {} after the return; {clicks}",
            during.figures(),
            refused,
            ms(well_after)
        ))
    }
}

/// What is in no cache is refused in time, and never said to lead elsewhere or nowhere.
fn refusals(cold: &Samples) -> Result<String> {
    let wrong = cold.only(|sample| !sample.is_told_to_wait());
    ensure!(wrong.len() == 0, "links in no cache were answered with {}", wrong.ways());
    let longest = cold.quantile(1.0);
    ensure!(longest <= REFUSAL, "a link in no cache was refused after {} only", ms(longest));
    Ok(format!("{} x 503, longest {}", cold.len(), ms(longest)))
}

/// How long after `back` the last request failed.
fn recovery(cold: &Samples, back: Instant) -> Result<Duration> {
    let late = cold.only(|sample| sample.ended() > back);
    let last = late.failed().0.iter().map(|sample| sample.ended()).max();
    let took = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(back));
    ensure!(took <= RECOVERY, "requests failed until {} after the return: {}", ms(took), late.failed().ways());
    ensure!(late.len() > late.failed().len(), "no request was seen to succeed after the return");
    let lies = cold.only(|sample| sample.status == Ok(404));
    ensure!(lies.len() == 0, "{} links that exist were said to be missing", lies.len());
    Ok(took)
}
