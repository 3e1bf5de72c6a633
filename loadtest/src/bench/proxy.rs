//! Nginx with the fleet's own configuration, before three servers on loopback ports.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// The image that the fleet uses, too.
const IMAGE: &str = "nginx:1.30";

/// A container that is removed when it is stopped.
#[derive(Debug)]
pub struct Proxy {
    name: String,
    /// Its port.
    pub port: u16,
}

impl Proxy {
    /// Starts Nginx before `servers`; `folder` takes its configuration.
    ///
    /// # Errors
    /// There is no container engine, or the configuration does not have the lines that are replaced.
    pub async fn start(config: &str, servers: &[u16], port: u16, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("nginx.conf"), rewritten(config, servers, port)?)?;
        let name = format!("buoy-bench-{port}");
        let mount = format!("{}:/etc/nginx:ro", folder.canonicalize()?.display());
        let status = Command::new("docker")
            .args(["run", "--detach", "--rm", "--name", &name, "--network", "host", "--user", "101:101"])
            .args(["--read-only", "--tmpfs", "/tmp:size=128m,mode=1777", "--volume", &mount, IMAGE])
            .stdout(std::process::Stdio::null())
            .status()
            .await
            .context("cannot call docker")?;
        ensure!(status.success(), "docker could not start {IMAGE}");
        Ok(Self { name, port })
    }

    /// Ends the container.
    ///
    /// # Errors
    /// docker cannot be called.
    pub async fn stop(self) -> anyhow::Result<()> {
        Command::new("docker").args(["rm", "--force", &self.name]).stdout(std::process::Stdio::null()).status().await?;
        Ok(())
    }
}

/// The fleet's configuration with other addresses: no name server, and these servers in place of the replicas.
fn rewritten(config: &str, servers: &[u16], port: u16) -> anyhow::Result<String> {
    let all = |line: &str| {
        servers.iter().map(|port| line.replace("buoy:8080 resolve", &format!("127.0.0.1:{port}"))).collect()
    };
    let mut lines = Vec::new();
    let mut changed = 0;
    for line in config.lines() {
        let new: String = match line.trim() {
            trimmed if trimmed.starts_with("resolver") => String::new(),
            trimmed if trimmed.starts_with("server buoy:8080 resolve ") => all(trimmed),
            "listen 8080;" => format!("listen 127.0.0.1:{port};"),
            _ => {
                lines.push(line.to_owned());
                continue;
            }
        };
        changed += 1;
        lines.push(new);
    }
    ensure!(changed == 5, "nginx.conf: expected 5 lines with addresses, found {changed}");
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fleets_configuration_is_understood() {
        let config = rewritten(include_str!("../../../nginx/nginx.conf"), &[1001, 1002], 9000).unwrap();
        assert!(config.contains("server 127.0.0.1:1001 max_fails=1"), "{config}");
        assert!(config.contains("server 127.0.0.1:1002 max_fails=0 backup"), "{config}");
        assert!(config.contains("listen 127.0.0.1:9000;") && !config.contains("127.0.0.11 "), "{config}");
        assert!(rewritten("http {}", &[1], 2).is_err());
    }
}
