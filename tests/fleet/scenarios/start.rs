//! Coming up, in whatever order.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

use crate::{
    api::Api,
    docker::{docker, docker_status},
    load::{Ask, Load},
    report::ms,
    stack::{REPLICAS, Stack},
};

const UNREACHABLE: &str = "DATABASE_URL=postgres://buoy:none@192.0.2.1:5432/buoy";

/// A replica that has no network at all lives, says so, and keeps trying.
pub(crate) async fn no_network(stack: &Stack) -> Result<String> {
    let run = [
        "run",
        "--detach",
        "--network",
        "none",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--env",
        UNREACHABLE,
        "--env",
        "OPEN_API=true",
    ];
    let id = docker(&[&run[..], &[stack.image()]].concat()).await?;
    let result = alone(stack, &id).await;
    docker(&["rm", "--force", "--volumes", &id]).await?;
    result
}

async fn alone(stack: &Stack, id: &str) -> Result<String> {
    const ATTEMPTS: usize = 3;
    let started = Instant::now();
    while attempts(id).await? < ATTEMPTS {
        ensure!(started.elapsed() < Duration::from_secs(30), "it does not keep trying");
        sleep(Duration::from_millis(100)).await;
    }
    let state = stack.inspect(id).await?;
    ensure!(state.running && state.restarts == 0, "it ended with {}", state.exit_code);
    let (live, said) = docker_status(&["exec", id, "/usr/local/bin/buoy", "healthcheck", "--live"]).await?;
    ensure!(live == 0, "/health does not answer: {said}");
    let (ready, _) = docker_status(&["exec", id, "/usr/local/bin/buoy", "healthcheck"]).await?;
    ensure!(ready == 1, "the health check of readiness exits with {ready}");
    Ok(format!("alive and not ready after {ATTEMPTS} attempts in {}", ms(started.elapsed())))
}

/// How often a container has logged that the database is not ready.
async fn attempts(id: &str) -> Result<usize> {
    let (_, log) = docker_status(&["logs", id]).await?;
    Ok(log.lines().filter(|line| line.contains("database not ready")).count())
}

/// Until its database appears, the service answers 503 and nothing else; nothing restarts.
pub(crate) async fn late_database(stack: &Stack) -> Result<String> {
    stack.wipe().await?;
    stack.compose(&["up", "--detach", "--no-build", "--no-deps", "nginx", "buoy"]).await?;
    stack.compose(&["up", "--detach", "--no-build", "--no-deps", "migrate"]).await?;
    let replicas = stack.containers("buoy").await?;
    stack.wait_seen(REPLICAS).await?;
    let url = format!("{}/abcdef", stack.nginx());
    let load = Load::start(4, Duration::from_millis(50), move |_, _| Ask::get(url.clone()));
    sleep(Duration::from_secs(8)).await;
    stack.compose(&["up", "--detach", "--no-build", "--no-deps", "db"]).await?;
    let back = stack.wait_database().await?;
    stack.wait_ready(REPLICAS, Duration::from_secs(30)).await?;
    let ready_after = back.elapsed();
    sleep(Duration::from_secs(1)).await;
    let samples = load.stop().await?;
    // There is no such link: 404 is the good answer once the database is there.
    let wrong = samples.only(|sample| !sample.is_told_to_wait() && sample.status != Ok(404));
    ensure!(wrong.len() == 0, "clients saw {}", wrong.ways());
    let early = samples.only(|sample| sample.status == Ok(404) && sample.ended() < back);
    ensure!(early.len() == 0, "404 was answered without a database");
    let mut migrate = stack.container("migrate").await?;
    while migrate.running {
        ensure!(back.elapsed() < Duration::from_secs(15), "the migration has not ended");
        sleep(Duration::from_millis(100)).await;
        migrate = stack.container("migrate").await?;
    }
    ensure!(migrate.exit_code == 0, "the migration ended with {}", migrate.exit_code);
    stack.no_restart(&replicas).await?;
    ensure!(ready_after <= Duration::from_secs(3), "ready only {} after the database", ms(ready_after));
    Ok(format!("{}; ready {} after the database", samples.ways(), ms(ready_after)))
}

/// On an empty database: one schema, applied once, and no replica is ready before it.
pub(crate) async fn together(stack: &Stack) -> Result<String> {
    stack.wipe().await?;
    stack.compose(&["up", "--detach", "--no-build", "--no-deps", "db"]).await?;
    stack.wait_database().await?;
    stack.compose(&["up", "--detach", "--no-build", "--no-deps", "nginx", "buoy"]).await?;
    for _ in 0..20 {
        ensure!(stack.ready_replicas().await?.is_empty(), "a replica is ready without a schema");
        sleep(Duration::from_millis(100)).await;
    }
    let job = ["run", "--rm", "--no-deps", "--no-TTY", "migrate"];
    let started = Instant::now();
    let (first, second) = tokio::join!(stack.compose(&job), stack.compose(&job));
    first?;
    second?;
    let migrated = started.elapsed();
    let ready_after = stack.wait_ready(REPLICAS, Duration::from_secs(10)).await?;
    let rows = stack.sql("SELECT count(*), count(DISTINCT version), bool_and(success) FROM _sqlx_migrations").await?;
    let fields: Vec<&str> = rows.split('|').collect();
    ensure!(fields.len() == 3 && fields[0] == fields[1] && fields[2] == "t", "the list of migrations shows {rows}");
    Ok(format!(
        "{} migrations applied once, both jobs done after {}, all ready {} later",
        fields[0],
        ms(migrated),
        ms(ready_after)
    ))
}

/// What each replica holds in memory.
pub(crate) async fn memory(stack: &Stack) -> Result<String> {
    const BOUND: f64 = 256.0;
    const LOAD: Duration = Duration::from_secs(5);
    stack.fleet().await?;
    let idle = usage(stack).await?;
    let api = Api::at(stack.nginx());
    let user = api.user().await?;
    let links = api.links(user, 50).await?;
    let nginx = stack.nginx();
    let load = Load::start(16, Duration::from_millis(2), move |worker, number| {
        // One in ten asks for an unknown code.
        let code = &links[(worker + number) as usize % links.len()].code;
        let missing = format!("none-{worker}-{number}");
        Ask::get(format!("{nginx}/{}", if number % 10 == 0 { &missing } else { code }))
    });
    sleep(LOAD).await;
    let busy = usage(stack).await?;
    let samples = load.stop().await?;
    let wrong = samples.only(|sample| !matches!(sample.status, Ok(302 | 404)));
    ensure!(wrong.len() == 0, "clients saw {}", wrong.ways());
    ensure!(busy.iter().all(|mib| *mib < BOUND / 2.0), "under load the replicas hold {busy:?} MiB");
    let mib = |all: &[f64]| all.iter().map(|mib| format!("{mib:.0}")).collect::<Vec<_>>().join(", ");
    let rate = samples.len() as f64 / LOAD.as_secs_f64();
    Ok(format!("idle {} MiB; at {rate:.0} requests a second {} MiB", mib(&idle), mib(&busy)))
}

/// MiB of each replica, as the engine counts them.
async fn usage(stack: &Stack) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for replica in stack.containers("buoy").await? {
        let text = docker(&["stats", "--no-stream", "--format", "{{.MemUsage}}", &replica.id]).await?;
        let used = text.split('/').next().unwrap_or_default().trim();
        let split = used.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(used.len());
        let (number, unit) = used.split_at(split);
        let scale = match unit {
            "GiB" => 1024.0,
            "KiB" => 1.0 / 1024.0,
            _ => 1.0,
        };
        all.push(number.parse::<f64>()? * scale);
    }
    Ok(all)
}
