//! What is measured: bare servers and replicas, three of each, and Nginx before either.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{process::Command, time::sleep};

use super::{
    process::{Server, free_port},
    proxy::Proxy,
};
use crate::api::{Api, ApiLink};

/// Instances behind Nginx.
pub const INSTANCES: usize = 3;
/// For a replica that shares its machine with its database.
const ALONE: &[(&str, &str)] = &[("CPU_SCHEDULING", "batch")];
/// For replicas that share a machine with each other and their proxy too, as docker-compose.yml has it.
const SHARED: &[(&str, &str)] = &[("CPU_SCHEDULING", "batch"), ("WORKER_THREADS", "1")];
/// Starts that the time to become ready is the median of.
const STARTS: usize = 5;

/// Where programs and folders are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The binary of buoy.
    pub buoy: PathBuf,
    /// PostgreSQL.
    pub database_url: String,
    /// For logs and configurations.
    pub folder: PathBuf,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Fleet {
    /// Bare servers.
    pub bare: Vec<Server>,
    /// A replica without a proxy, with a thread for each processor; only where it is measured, since it hears every change too.
    alone: Option<Server>,
    /// Replicas.
    pub replicas: Vec<Server>,
    /// Nginx before the bare servers.
    pub bare_proxy: Proxy,
    /// Nginx before the replicas.
    pub proxy: Proxy,
    /// Each start of a replica until it was ready.
    pub starts: Vec<Duration>,
}

impl Fleet {
    /// Migrates the database and starts everything, the replica without a proxy where it is wanted.
    ///
    /// # Errors
    /// Where a part does not start.
    pub async fn start(place: &Place, nginx: &str, with_alone: bool) -> anyhow::Result<Self> {
        let migrated = Command::new(&place.buoy).arg("migrate").env("DATABASE_URL", &place.database_url).status().await;
        ensure!(migrated.context("cannot call buoy")?.success(), "cannot migrate the database");
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let server = replica(place, ALONE).await?;
            starts.push(server.ready_after);
            server.stop().await?;
        }
        let (mut bare, mut replicas) = (Vec::new(), Vec::new());
        for _ in 0..INSTANCES {
            bare.push(bare_server(place).await?);
            replicas.push(replica(place, SHARED).await?);
        }
        let alone = if with_alone { Some(replica(place, ALONE).await?) } else { None };
        let bare_proxy = proxy(nginx, &bare, &place.folder.join("nginx-bare")).await?;
        let proxy = proxy(nginx, &replicas, &place.folder.join("nginx-buoy")).await?;
        // A replica that has just heard of others reads every link anew for a moment.
        sleep(Duration::from_secs(1)).await;
        Ok(Self { bare, alone, replicas, bare_proxy, proxy, starts })
    }

    /// All processes of buoy.
    pub fn buoys(&self) -> impl Iterator<Item = &Server> {
        self.replicas.iter().chain(&self.alone)
    }

    /// The replica without a proxy.
    ///
    /// # Errors
    /// Where it was not wanted.
    pub fn alone(&self) -> anyhow::Result<&Server> {
        self.alone.as_ref().context("the replica without a proxy was not started")
    }

    /// A client of the API of the first replica.
    ///
    /// # Errors
    /// Where the client cannot be made.
    pub fn api(&self) -> anyhow::Result<Api> {
        let base = format!("http://127.0.0.1:{}", self.replicas[0].port).parse()?;
        Api::new(&base, None, Duration::from_secs(60))
    }

    /// Ends everything.
    ///
    /// # Errors
    /// Where a part does not end.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.proxy.stop().await?;
        self.bare_proxy.stop().await?;
        for server in self.replicas.into_iter().chain(self.alone) {
            server.stop().await?;
        }
        // The bare servers know no signals: they are killed when dropped.
        Ok(())
    }
}

/// Creates a user with so many links.
///
/// # Errors
/// Where the API refuses.
pub async fn links(api: &Api, count: u64) -> anyhow::Result<(i64, Vec<ApiLink>)> {
    let owner = api.create_user("bench").await?;
    let links = stream::iter(0..count)
        .map(
            |n| async move { api.create_link(owner, &format!("https://www.example.com/articles/{n}?ref=bench")).await },
        )
        .buffer_unordered(8)
        .try_collect()
        .await?;
    Ok((owner, links))
}

async fn replica(place: &Place, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
    let port = free_port()?;
    let mut command = Command::new(&place.buoy);
    command.arg("serve").env("DATABASE_URL", &place.database_url).env("PORT", port.to_string());
    // As docker-compose.yml sets them; the drain is cut short, since Nginx is gone by then.
    command.env("LOG_FORMAT", "json").env("DATABASE_POOL_SIZE", "5").env("SHUTDOWN_DRAIN_SECONDS", "0");
    command.envs(settings.iter().copied());
    Server::start(command, port, "/ready", &place.folder.join("buoy.log")).await
}

async fn bare_server(place: &Place) -> anyhow::Result<Server> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg(port.to_string());
    Server::start(command, port, "/constant", &place.folder.join("bare.log")).await
}

async fn proxy(nginx: &str, servers: &[Server], folder: &Path) -> anyhow::Result<Proxy> {
    let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
    Proxy::start(nginx, &ports, free_port()?, folder).await
}
