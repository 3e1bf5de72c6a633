//! The servers that are measured: bare handlers and replicas, alone or three of them behind Nginx.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{process::Command, time::sleep};

use super::{
    process::{Server, free_port},
    proxy::Proxy,
};
use crate::api::{Api, ApiLink};

/// Servers behind Nginx.
const INSTANCES: usize = 3;
/// Starts of a replica that the time to become ready is the median of.
const STARTS: usize = 5;
/// Connections while links are prepared.
const CONNECTIONS: usize = 8;

/// Programs, folders, and the database.
#[derive(Debug, Clone)]
pub struct Place {
    /// The binary of buoy.
    pub buoy: PathBuf,
    /// The address of PostgreSQL.
    pub database_url: String,
    /// The fleet's configuration of Nginx.
    pub nginx: String,
    /// For logs and configurations.
    pub folder: PathBuf,
}

/// How many threads a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One for each processor, tokio's default.
    All,
    /// One, as `docker-compose.yml` has it for replicas that share a machine.
    One,
}

/// A program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// buoy.
    Buoy,
    /// The constant redirect.
    BareRedirects,
    /// One SQL statement a request.
    BareLinks,
}

/// Three servers behind Nginx.
#[derive(Debug)]
pub struct Fleet {
    /// The servers.
    pub servers: Vec<Server>,
    /// Nginx.
    pub proxy: Proxy,
}

impl Place {
    /// Brings the database's schema up to date.
    ///
    /// # Errors
    /// buoy cannot be called, or fails.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let migrated = Command::new(&self.buoy).arg("migrate").env("DATABASE_URL", &self.database_url).status().await;
        ensure!(migrated.context("cannot call buoy")?.success(), "cannot migrate the database");
        Ok(())
    }

    /// Starts a replica a few times; answers how long each took to become ready.
    ///
    /// # Errors
    /// It does not start, or does not end.
    pub async fn starts(&self) -> anyhow::Result<Vec<Duration>> {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let server = self.server(Program::Buoy, Threads::All).await?;
            starts.push(server.ready_after);
            server.stop().await?;
        }
        Ok(starts)
    }

    /// Starts a server.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn server(&self, program: Program, threads: Threads) -> anyhow::Result<Server> {
        let port = free_port()?;
        let mut command = match program {
            Program::Buoy => self.replica(port),
            Program::BareRedirects => self.bare("bare-redirects", port)?,
            Program::BareLinks => self.bare("bare-links", port)?,
        };
        match threads {
            Threads::All => command.env_remove("TOKIO_WORKER_THREADS"),
            Threads::One => command.env("TOKIO_WORKER_THREADS", "1"),
        };
        let log = if program == Program::Buoy { "buoy.log" } else { "bare.log" };
        Server::start(command, port, "/ready", &self.folder.join(log)).await
    }

    /// Starts three servers with one thread each, and Nginx.
    ///
    /// # Errors
    /// One of them does not start.
    pub async fn fleet(&self, program: Program) -> anyhow::Result<Fleet> {
        let mut servers = Vec::new();
        for _ in 0..INSTANCES {
            servers.push(self.server(program, Threads::One).await?);
        }
        let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
        let port = free_port()?;
        let proxy = Proxy::start(&self.nginx, &ports, port, &self.folder.join(format!("nginx-{port}"))).await?;
        // Replicas that have just heard of others read every link anew for a moment.
        sleep(Duration::from_secs(1)).await;
        Ok(Fleet { servers, proxy })
    }

    fn replica(&self, port: u16) -> Command {
        let mut command = Command::new(&self.buoy);
        command.arg("serve").env("DATABASE_URL", &self.database_url).env("PORT", port.to_string());
        // As docker-compose.yml sets them, without the drain, since no balancer has to notice.
        command.env("LOG_FORMAT", "json").env("DATABASE_POOL_SIZE", "5").env("SHUTDOWN_DRAIN_SECONDS", "0");
        command
    }

    fn bare(&self, handlers: &str, port: u16) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(handlers).arg(port.to_string()).env("TEST_DATABASE_URL", &self.database_url);
        Ok(command)
    }
}

impl Fleet {
    /// Ends everything.
    ///
    /// # Errors
    /// A server does not end in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.proxy.stop().await?;
        for server in self.servers {
            server.stop().await?;
        }
        Ok(())
    }
}

/// A client of the API of a server.
///
/// # Errors
/// The client cannot be built.
pub fn api(server: &Server) -> anyhow::Result<Api> {
    Api::new(&format!("http://127.0.0.1:{}", server.port).parse()?, None, Duration::from_secs(60))
}

/// Creates links.
///
/// # Errors
/// The API refuses.
pub async fn create_links(api: &Api, owner: i64, count: u64) -> anyhow::Result<Vec<ApiLink>> {
    stream::iter(0..count)
        .map(
            |n| async move { api.create_link(owner, &format!("https://www.example.com/articles/{n}?ref=bench")).await },
        )
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await
}
