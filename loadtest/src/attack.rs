//! A whole run: prepare, load, compare, report, remove.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use goose::{GooseAttack, config::GooseConfiguration};
use tokio::time::{Instant, interval};

use crate::{
    api::Api,
    clicks, host,
    options::Options,
    pace::Pace,
    prepare::{prepare, remove},
    recorder::Recorder,
    report,
    scenario::scenario,
    summary::Summary,
    world::World,
};

/// Runs a load test to its end, which Ctrl-C brings about early, and writes its report.
///
/// # Errors
/// The host is refused, the run cannot be prepared, or the report cannot be written. A missed threshold is a verdict
/// of the summary, no error.
pub async fn run(options: &Options) -> anyhow::Result<Summary> {
    let base = host::check(&options.host, options.yes_load_this_host).await?;
    let api = Api::new(&base, options.token.clone(), Duration::from_secs(u64::from(options.timeout)))?;
    eprintln!("preparing {} links on {base}", options.links);
    let mut world = tokio::select! {
        world = prepare(options, api) => world?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped while preparing; the user loadtest-… may be left"),
    };
    world.recorder = Recorder::new();
    world.pace = options.rate.map(|rate| Pace::new(rate, options.starting()));
    let world = Arc::new(world);
    let started = Instant::now();
    let loaded = load(options, &world).await;
    let lasted = started.elapsed();
    eprintln!("comparing clicks made and counted");
    let clicks = clicks::compare(&world, options.settle_limit())
        .await
        .inspect_err(|error| eprintln!("cannot count clicks: {error:#}"))
        .ok();
    if let Err(error) = remove(&world).await {
        eprintln!("cannot remove what was prepared: {error:#}");
    }
    loaded?;
    let measured = world.recorder.measured();
    let summary = Summary::new(options, &measured, lasted, clicks);
    report::write(&options.output, &summary, &measured).context("cannot write the report")?;
    Ok(summary)
}

async fn load(options: &Options, world: &Arc<World>) -> anyhow::Result<()> {
    let attack =
        GooseAttack::initialize_with_config(configuration(options)?)?.register_scenario(scenario(options, world)?);
    let progress = tokio::spawn(progress(Arc::clone(world)));
    let ended = attack.execute().await;
    progress.abort();
    ended.map(drop).context("the load could not be brought about")
}

/// Tells Goose how many users there are, how fast they start and how long they stay. It measures nothing, since
/// [`Recorder`] does, and opens no port.
fn configuration(options: &Options) -> anyhow::Result<GooseConfiguration> {
    let arguments = [
        "--host".to_owned(),
        options.host.clone(),
        "--users".to_owned(),
        options.users.to_string(),
        "--increase-rate".to_owned(),
        options.users_per_second().to_string(),
        "--run-time".to_owned(),
        format!("{}s", options.seconds),
        "--no-metrics".to_owned(),
        "--no-telnet".to_owned(),
        "-qq".to_owned(),
    ];
    Ok(GooseConfiguration::parse_args_default(&arguments)?)
}

/// A line each second, and one more for what failed.
async fn progress(world: Arc<World>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (second, tally) = world.recorder.last_second();
        let (p50, p95) = (tally.ms(0.5), tally.ms(0.95));
        eprintln!(
            "{second:>5} s {:>8} requests  p50 {p50:>8.2} ms  p95 {p95:>8.2} ms  {:>5} failed",
            tally.requests, tally.failed
        );
    }
}
