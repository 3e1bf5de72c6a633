//! What breaks: processes killed or frozen, packets dropped.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::{
    docker::{docker, run},
    stack::Container,
};

const POSTGRES: &str = "5432";
const LIMIT: Duration = Duration::from_secs(10);

/// Sends a signal to a container's program.
pub(crate) async fn signal(container: &Container, signal: &str) -> Result<()> {
    docker(&["kill", "--signal", signal, &container.id]).await.map(drop)
}

/// Stops a container as a deployment does.
pub(crate) async fn stop(container: &Container) -> Result<()> {
    docker(&["stop", "--time", "35", &container.id]).await.map(drop)
}

/// Starts a stopped container.
pub(crate) async fn start(container: &Container) -> Result<()> {
    docker(&["start", &container.id]).await.map(drop)
}

/// Packets that are dropped inside a container's network, until this is taken back. Nothing is refused: to both sides
/// it looks as if the other had gone silent.
pub(crate) struct BlackHole {
    pid: u64,
    rules: Vec<Vec<String>>,
}

impl BlackHole {
    /// Drops all that reaches or leaves the database.
    pub(crate) async fn around_database(database: &Container) -> Result<Self> {
        let rules = [["INPUT", "--dport", POSTGRES], ["OUTPUT", "--sport", POSTGRES]];
        Self::dig(database, rules.map(|rule| rule.map(str::to_owned).to_vec()).to_vec()).await
    }

    /// Drops the packets of a replica's connections from the given local ports to the database.
    pub(crate) async fn around_ports(replica: &Container, ports: &[String]) -> Result<Self> {
        let rule = |chain: &str, flag: &str, port: &String| vec![chain.to_owned(), flag.to_owned(), port.clone()];
        let both = |port| [rule("OUTPUT", "--sport", port), rule("INPUT", "--dport", port)];
        Self::dig(replica, ports.iter().flat_map(both).collect()).await
    }

    async fn dig(container: &Container, rules: Vec<Vec<String>>) -> Result<Self> {
        let hole = Self { pid: container.pid, rules };
        hole.each("--insert").await.context("packets cannot be dropped: this needs root, nsenter and iptables")?;
        Ok(hole)
    }

    /// Lets packets through again.
    pub(crate) async fn fill(self) -> Result<()> {
        self.each("--delete").await
    }

    async fn each(&self, action: &str) -> Result<()> {
        for rule in &self.rules {
            let [chain, flag, port] = &rule[..] else { continue };
            let mut command = Command::new("nsenter");
            command.arg(format!("--net=/proc/{}/ns/net", self.pid));
            command.args(["iptables", "--wait", action, chain, "--protocol", "tcp", flag, port, "--jump", "DROP"]);
            run(command, LIMIT).await?;
        }
        Ok(())
    }
}
