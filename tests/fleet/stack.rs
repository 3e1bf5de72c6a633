//! The Compose stack under test: built, started, inspected and taken down.

use std::{collections::HashSet, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::docker::{docker, docker_status, run};

/// A release build of everything, on a small machine.
const BUILD_LIMIT: Duration = Duration::from_secs(1_800);
const COMPOSE_LIMIT: Duration = Duration::from_secs(180);
/// How long a healthy fleet may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// What a developer may have set for their own stack.
const SETTINGS: [&str; 11] = [
    "ADMIN_TOKEN",
    "ALLOWED_HOSTS",
    "ALLOW_PRIVATE_TARGETS",
    "BLOCKED_HOSTS",
    "DATABASE_POOL_SIZE",
    "FETCH_TITLES",
    "LIMITS",
    "LOG_LEVEL",
    "POSTGRES_PASSWORD",
    "PUBLIC_URL",
    "TOKIO_WORKER_THREADS",
];
const IMAGE: &str = "buoy:fleet";
/// How many replicas docker-compose.yml starts.
pub(crate) const REPLICAS: usize = 3;

/// The stack: a Compose project with a port of its own, so that it can run beside one that is in use.
pub(crate) struct Stack {
    project: String,
    port: u16,
    client: reqwest::Client,
}

/// One container, as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// What the program calls itself in `X-Replica`.
    pub(crate) host_name: String,
    pub(crate) running: bool,
    pub(crate) pid: u64,
    pub(crate) exit_code: i64,
    pub(crate) started_at: String,
    pub(crate) restarts: u64,
    /// Its address on the network that it shares with Nginx, and on the one with the database.
    pub(crate) front: String,
    pub(crate) back: String,
}

impl Stack {
    /// The stack that `FLEET_PROJECT` and `FLEET_PORT` name.
    pub(crate) fn from_environment() -> Self {
        let project = std::env::var("FLEET_PROJECT").unwrap_or_else(|_| "buoy-fleet".to_owned());
        let port = std::env::var("FLEET_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(18_080);
        Self { project, port, client: crate::api::client(Duration::from_secs(2)) }
    }

    /// Nginx's address.
    pub(crate) fn nginx(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The network of the given name in docker-compose.yml.
    pub(crate) fn network(&self, name: &str) -> String {
        format!("{}_{name}", self.project)
    }

    /// The image that the replicas run.
    pub(crate) fn image(&self) -> &'static str {
        IMAGE
    }

    /// Builds the image, once for all who use it.
    pub(crate) async fn build(&self) -> Result<()> {
        run(self.command(&["build", "--quiet", "buoy"]), BUILD_LIMIT).await.map(drop)
    }

    /// Runs `docker compose` on this project.
    pub(crate) async fn compose(&self, args: &[&str]) -> Result<String> {
        run(self.command(args), COMPOSE_LIMIT).await
    }

    fn command(&self, args: &[&str]) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("docker");
        // No `.env`: what a developer set for their own stack is not what is tested.
        command.args(["compose", "--env-file", "/dev/null", "--project-name", &self.project, "--file"]);
        command.arg(root.join("docker-compose.yml")).args(args);
        for name in SETTINGS {
            command.env_remove(name);
        }
        command.env("BUOY_IMAGE", IMAGE).env("BUOY_PROFILE", "fleet").env("BUOY_PORT", self.port.to_string());
        command
    }

    /// Takes everything down, the data included.
    pub(crate) async fn wipe(&self) -> Result<()> {
        self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "3"]).await.map(drop)
    }

    /// The whole fleet, ready: brings up what is missing.
    pub(crate) async fn fleet(&self) -> Result<Vec<Container>> {
        let as_it_should_be = self.ready_replicas().await?.len() == REPLICAS
            && self.containers("buoy").await?.len() == REPLICAS
            && self.containers("nginx").await?.iter().any(|nginx| nginx.running);
        if !as_it_should_be {
            let scale = format!("buoy={REPLICAS}");
            self.compose(&["up", "--detach", "--no-build", "--scale", &scale]).await?;
        }
        self.wait_ready(REPLICAS, READY_LIMIT).await?;
        self.wait_seen(REPLICAS).await?;
        self.containers("buoy").await
    }

    /// Every container of a service, running or not.
    pub(crate) async fn containers(&self, service: &str) -> Result<Vec<Container>> {
        let project = format!("label=com.docker.compose.project={}", self.project);
        let service = format!("label=com.docker.compose.service={service}");
        let oneoff = "label=com.docker.compose.oneoff=False";
        let ids = docker(&["ps", "-aq", "--no-trunc", "-f", &project, "-f", &service, "-f", oneoff]).await?;
        let mut containers = Vec::new();
        for id in ids.lines() {
            containers.push(self.inspect(id).await?);
        }
        containers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(containers)
    }

    /// The only container of a service.
    pub(crate) async fn container(&self, service: &str) -> Result<Container> {
        let containers = self.containers(service).await?;
        containers.into_iter().next().with_context(|| format!("there is no container of {service}"))
    }

    /// What the engine says of a container now.
    pub(crate) async fn inspect(&self, id: &str) -> Result<Container> {
        let text = docker(&["inspect", id]).await?;
        let all: Value = serde_json::from_str(&text).context("docker inspect prints no JSON")?;
        let found = &all[0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let address =
            |network: &str| text(&found["NetworkSettings"]["Networks"][self.network(network).as_str()]["IPAddress"]);
        Ok(Container {
            id: id.to_owned(),
            host_name: text(&found["Config"]["Hostname"]),
            running: found["State"]["Running"].as_bool().unwrap_or_default(),
            pid: found["State"]["Pid"].as_u64().unwrap_or_default(),
            exit_code: found["State"]["ExitCode"].as_i64().unwrap_or(-1),
            started_at: text(&found["State"]["StartedAt"]),
            restarts: found["RestartCount"].as_u64().unwrap_or_default(),
            front: address("front"),
            back: address("back"),
        })
    }

    /// Replicas that say they are ready, asked directly.
    pub(crate) async fn ready_replicas(&self) -> Result<Vec<Container>> {
        let mut ready = Vec::new();
        for replica in self.containers("buoy").await? {
            if replica.running && self.is_ready(&replica).await {
                ready.push(replica);
            }
        }
        Ok(ready)
    }

    /// Whether a replica says that it is ready.
    pub(crate) async fn is_ready(&self, replica: &Container) -> bool {
        let answer = self.client.get(format!("{}/ready", replica.url())).send().await;
        let Ok(answer) = answer else { return false };
        answer.status() == 200 && answer.text().await.is_ok_and(|body| body.contains(r#""status":"ready""#))
    }

    /// Waits until `count` replicas are ready; answers how long that took.
    pub(crate) async fn wait_ready(&self, count: usize, limit: Duration) -> Result<Duration> {
        let started = Instant::now();
        while self.ready_replicas().await?.len() < count {
            ensure!(started.elapsed() < limit, "not {count} replicas were ready after {} s", limit.as_secs());
            sleep(Duration::from_millis(50)).await;
        }
        Ok(started.elapsed())
    }

    /// Waits until answers of `count` different replicas were seen through Nginx.
    pub(crate) async fn wait_seen(&self, count: usize) -> Result<()> {
        let started = Instant::now();
        let mut seen = HashSet::new();
        while seen.len() < count {
            ensure!(started.elapsed() < READY_LIMIT, "Nginx passes requests to {} replicas only", seen.len());
            let answer = self.client.get(format!("{}/health", self.nginx())).send().await;
            match answer.map(|answer| answer.headers().get("x-replica").cloned()) {
                Ok(Some(replica)) => drop(seen.insert(replica)),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
        Ok(())
    }

    /// Runs SQL in the database; answers bare rows.
    pub(crate) async fn sql(&self, sql: &str) -> Result<String> {
        let quiet =
            ["exec", "--no-TTY", "db", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "buoy", "-d", "buoy", "-c"];
        self.compose(&[&quiet[..], &[sql]].concat()).await
    }

    /// Waits until the database takes connections; answers a moment at which it did not yet, a few hundredths of a
    /// second before.
    pub(crate) async fn wait_database(&self) -> Result<Instant> {
        let database = self.container("db").await?;
        let ask = ["exec", &database.id, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "buoy", "-d", "buoy"];
        let started = Instant::now();
        let mut not_yet = started;
        loop {
            let asked = Instant::now();
            if docker_status(&ask).await?.0 == 0 {
                return Ok(not_yet);
            }
            not_yet = asked;
            ensure!(started.elapsed() < READY_LIMIT, "the database took no connection");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Fails if a replica of `before` is not the same process any more.
    pub(crate) async fn no_restart(&self, before: &[Container]) -> Result<()> {
        for replica in before {
            let now = self.inspect(&replica.id).await?;
            if !now.running || now.started_at != replica.started_at || now.restarts != replica.restarts {
                bail!("replica {} was restarted", replica.host_name);
            }
        }
        Ok(())
    }

    /// Keeps what the containers logged, to explain a failure.
    pub(crate) async fn keep_logs(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet");
        let file = folder.join(format!("{}.log", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
        let logs = self.compose(&["logs", "--no-color", "--timestamps", "--tail", "2000"]).await;
        let state = docker_status(&["ps", "-a"]).await.map(|(_, text)| text);
        let text = format!("{}\n{}\n", state.unwrap_or_default(), logs.unwrap_or_default());
        if std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, text)).is_ok() {
            println!("        logs: {}", file.display());
        }
    }
}

impl Container {
    /// This replica's address, on the network that it shares with Nginx.
    pub(crate) fn url(&self) -> String {
        format!("http://{}:8080", self.front)
    }
}
