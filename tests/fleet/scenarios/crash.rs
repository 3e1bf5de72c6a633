//! Replicas that are killed, replaced, restarted and frozen.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::{Instant, sleep};

use crate::{
    api::{Api, link_body, unique},
    docker::docker,
    faults,
    load::{Ask, Load, Samples},
    report::ms,
    stack::{REPLICAS, Stack},
};

const WORKERS: u64 = 8;
/// Links that are followed.
const LINKS: usize = 20;

/// Load through Nginx: redirects, and one POST in five that creates a link.
pub(crate) async fn mixed_load(stack: &Stack) -> Result<Load> {
    let (_, load) = mixed_load_of(stack).await?;
    Ok(load)
}

/// The same, with the user whose links it creates.
async fn mixed_load_of(stack: &Stack) -> Result<(i64, Load)> {
    let api = Api::at(stack.nginx());
    let user = api.user().await?;
    let links = api.links(user, LINKS).await?;
    let nginx = stack.nginx();
    let load = Load::start(WORKERS, Duration::from_millis(8), move |worker, number| {
        if number % 5 == 4 {
            let body = link_body(user, &format!("https://example.com/{}", unique("load")));
            Ask::post(format!("{nginx}/urls"), body)
        } else {
            Ask::get(format!("{nginx}/{}", links[(worker + number) as usize % links.len()].code))
        }
    });
    Ok((user, load))
}

/// No GET fails; of the POSTs only those that were in flight.
pub(crate) async fn killed(stack: &Stack) -> Result<String> {
    let replicas = stack.fleet().await?;
    let load = mixed_load(stack).await?;
    sleep(Duration::from_secs(1)).await;
    let from = Instant::now();
    faults::signal(&replicas[0], "KILL").await?;
    let to = Instant::now();
    sleep(Duration::from_secs(3)).await;
    let samples = load.stop().await?;
    faults::start(&replicas[0]).await?;
    samples.only(|sample| sample.kind == "GET").all_good()?;
    let failed = samples.failed();
    let elsewhere = failed.only(|sample| sample.ended() < from || sample.began > to);
    ensure!(elsewhere.len() == 0, "requests failed that were not in flight: {}", elsewhere.ways());
    ensure!(failed.len() as u64 <= WORKERS, "more requests failed than were in flight: {}", failed.ways());
    let silent = failed.only(|sample| !sample.is_told_to_wait());
    ensure!(silent.len() == 0, "clients saw {}", silent.ways());
    Ok(format!("{}; POSTs cut off: {}", samples.figures(), failed.len()))
}

/// A replica that is recreated under another address takes traffic within 5 s, and Nginx is not touched.
pub(crate) async fn new_address(stack: &Stack) -> Result<String> {
    let replicas = stack.fleet().await?;
    let nginx = stack.container("nginx").await?;
    let load = mixed_load(stack).await?;
    sleep(Duration::from_secs(1)).await;
    let old = &replicas[0];
    faults::signal(old, "KILL").await?;
    docker(&["rm", "--force", &old.id]).await?;
    // Another container takes the next free address, which may be the old one: the replica gets another.
    let front = stack.network("front");
    let squatter =
        docker(&["run", "--detach", "--network", &front, "--entrypoint", "sleep", "nginx:1.30", "60"]).await?;
    let scale = format!("buoy={REPLICAS}");
    let up =
        stack.compose(&["up", "--detach", "--no-build", "--no-deps", "--no-recreate", "--scale", &scale, "buoy"]).await;
    let started = Instant::now();
    sleep(Duration::from_secs(6)).await;
    docker(&["rm", "--force", &squatter]).await?;
    up?;
    let samples = load.stop().await?;
    let known = |id: &str| replicas.iter().any(|replica| replica.id == id);
    let new = stack.containers("buoy").await?.into_iter().find(|replica| !known(&replica.id));
    let new = new.context("no replica was created")?;
    ensure!(new.front != old.front, "the replica got its old address {} again", old.front);
    let first = samples.0.iter().find(|sample| sample.replica == new.host_name);
    let first = first.context("the new replica was not asked")?.began.saturating_duration_since(started);
    ensure!(first < Duration::from_secs(5), "the new replica was asked only after {}", ms(first));
    samples.only(|sample| sample.kind == "GET").all_good()?;
    ensure!(stack.container("nginx").await? == nginx, "Nginx was restarted");
    Ok(format!("from {} to {}, asked after {}; {}", old.front, new.front, ms(first), samples.figures()))
}

/// Every replica is stopped and started in turn; no request fails, and each POST was carried out once.
pub(crate) async fn rolling_restart(stack: &Stack) -> Result<String> {
    let replicas = stack.fleet().await?;
    let (user, load) = mixed_load_of(stack).await?;
    let mut longest = Duration::ZERO;
    for replica in &replicas {
        let started = Instant::now();
        faults::stop(replica).await?;
        longest = longest.max(started.elapsed());
        let code = stack.inspect(&replica.id).await?.exit_code;
        ensure!(code == 0, "replica {} ended with {code}", replica.host_name);
        faults::start(replica).await?;
        stack.wait_ready(REPLICAS, Duration::from_secs(30)).await?;
    }
    sleep(Duration::from_secs(1)).await;
    let samples = load.stop().await?;
    samples.all_good()?;
    ensure!(samples.replicas().len() == REPLICAS, "not every replica answered");
    ensure!(longest < Duration::from_secs(30), "a replica took {} to end", ms(longest));
    let rows: usize = stack.sql(&format!("SELECT count(*) FROM urls WHERE user_id = {user}")).await?.parse()?;
    let posts = samples.only(|sample| sample.kind == "POST").len();
    ensure!(rows == LINKS + posts, "{posts} POSTs made {} links", rows - LINKS);
    Ok(format!(
        "{}, {posts} of them POSTs; each replica ended with 0, the slowest after {}",
        samples.figures(),
        ms(longest)
    ))
}

/// A frozen replica costs a redirect less than 2 s, and only the first few.
pub(crate) async fn frozen(stack: &Stack) -> Result<String> {
    const FROZEN: Duration = Duration::from_secs(7);
    let replicas = stack.fleet().await?;
    let api = Api::at(stack.nginx());
    let user = api.user().await?;
    let links = api.links(user, LINKS).await?;
    let nginx = stack.nginx();
    let load = Load::start(WORKERS, Duration::from_millis(8), move |worker, number| {
        Ask::get(format!("{nginx}/{}", links[(worker + number) as usize % links.len()].code))
    });
    sleep(Duration::from_secs(1)).await;
    faults::signal(&replicas[0], "STOP").await?;
    let from = Instant::now();
    sleep(FROZEN).await;
    let to = Instant::now();
    faults::signal(&replicas[0], "CONT").await?;
    sleep(Duration::from_secs(2)).await;
    let samples = load.stop().await?;
    samples.all_good()?;
    let longest = samples.quantile(1.0);
    ensure!(longest < Duration::from_secs(2), "a redirect took {}", ms(longest));
    let during = samples.within(from, to);
    let slow = slow(&during);
    // Each worker may meet it once before it is avoided; then one request tries it every 3 s.
    let later = slow.only(|sample| sample.began > from + Duration::from_secs(2));
    ensure!(
        later.len() as u64 <= FROZEN.as_secs() / 3 + 1,
        "it is not avoided: {} slow redirects after 2 s",
        later.len()
    );
    Ok(format!("{}; {} of them met the frozen replica", during.figures(), slow.len()))
}

fn slow(samples: &Samples) -> Samples {
    samples.only(|sample| sample.took > Duration::from_secs(1))
}
