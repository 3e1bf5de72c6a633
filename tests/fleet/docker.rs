//! The `docker` command, each call with a time limit.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// Longer than any call takes but a build.
const LIMIT: Duration = Duration::from_secs(120);

/// Fails if no engine answers, or Compose v2 is missing.
pub(crate) async fn engine() -> Result<()> {
    let version = docker(&["info", "--format", "{{.ServerVersion}}"]).await.context("no Docker engine answers")?;
    if version.is_empty() {
        bail!("no Docker engine answers");
    }
    docker(&["compose", "version", "--short"]).await.context("Compose v2 is missing")?;
    Ok(())
}

/// Runs `docker` and answers what it printed.
pub(crate) async fn docker(args: &[&str]) -> Result<String> {
    let mut command = Command::new("docker");
    command.args(args);
    run(command, LIMIT).await
}

/// Runs `docker` and answers its exit code with all that it printed.
pub(crate) async fn docker_status(args: &[&str]) -> Result<(i32, String)> {
    let output = tokio::time::timeout(LIMIT, Command::new("docker").args(args).stdin(Stdio::null()).output()).await??;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).trim().to_owned()))
}

/// Runs a command and answers its standard output, trimmed; fails with its standard error.
pub(crate) async fn run(mut command: Command, limit: Duration) -> Result<String> {
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(limit, command.stdin(Stdio::null()).kill_on_drop(true).output())
        .await
        .with_context(|| format!("{shown} took longer than {} s", limit.as_secs()))?
        .with_context(|| format!("{shown} could not be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed: {}", last_lines(said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The end of a long text: of a failed build, its reason.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
