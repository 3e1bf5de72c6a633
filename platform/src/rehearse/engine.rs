//! The container engine: the `docker` command, each call with a time limit, and everything labelled so that it can be
//! removed.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{
    process::Command,
    time::{Instant, timeout},
};

use super::say;

/// Longer than any call takes but a build.
const LIMIT: Duration = Duration::from_secs(120);
/// A release build on a small machine; the platform's own limit is an hour.
const BUILD_LIMIT: Duration = Duration::from_secs(3_600);
/// How often a build is said to be going on.
const PATIENCE: Duration = Duration::from_secs(30);
/// The lines of a failed build that are shown.
const SHOWN: usize = 20;

/// The label of everything that a rehearsal starts; its value tells runs apart.
pub(super) const LABEL: &str = "buoy.rehearsal";

/// What one run has started.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    /// Name of the network, and what every name begins with.
    pub(super) name: String,
}

impl Engine {
    /// Makes the network that everything is on.
    pub(super) async fn start() -> Result<Self> {
        let version =
            docker(&["info", "--format", "{{.ServerVersion}}"]).await.context("no container engine answers")?;
        let engine = Self { name: format!("buoy-rehearsal-{}", std::process::id()) };
        let label = engine.label();
        docker(&["network", "create", "--label", &label, &engine.name]).await?;
        say(&format!("container engine {version}, network {}", engine.name));
        Ok(engine)
    }

    /// The label of this run.
    pub(super) fn label(&self) -> String {
        format!("{LABEL}={}", self.name)
    }

    /// Removes every container of this run, its volumes and the network. Images stay: the next run builds on them.
    pub(super) async fn clean(&self) {
        let label = format!("label={}", self.label());
        let containers = docker(&["ps", "-aq", "--filter", &label]).await.unwrap_or_default();
        let containers: Vec<&str> = containers.lines().collect();
        if !containers.is_empty() {
            let removed = docker(&[&["rm", "--force", "--volumes"], &containers[..]].concat()).await;
            removed.inspect_err(|error| say(&format!("containers are left behind: {error:#}"))).ok();
        }
        let removed = docker(&["network", "rm", &self.name]).await;
        removed.inspect_err(|error| say(&format!("the network is left behind: {error:#}"))).ok();
    }
}

/// Runs `docker` and answers what it printed.
pub(super) async fn docker(args: &[&str]) -> Result<String> {
    let (code, out, said) = run(args, LIMIT).await?;
    if code != Some(0) {
        bail!("`docker {}` failed: {}", args.first().unwrap_or(&""), said.trim());
    }
    Ok(out.trim().to_owned())
}

/// Runs `docker` for as long as `limit`, and answers its exit code and all that it printed.
pub(super) async fn docker_status(args: &[&str], limit: Duration) -> Result<(i32, String)> {
    let (code, out, said) = run(args, limit).await?;
    Ok((code.unwrap_or(-1), format!("{out}{said}").trim().to_owned()))
}

async fn run(args: &[&str], limit: Duration) -> Result<(Option<i32>, String, String)> {
    let mut command = Command::new("docker");
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let name = args.first().unwrap_or(&"");
    let output = timeout(limit, command.output())
        .await
        .with_context(|| format!("`docker {name}` took longer than {} s", limit.as_secs()))?
        .context("`docker` could not be started")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

/// Builds an image from a folder.
pub(super) async fn build(context: &Path, dockerfile: &str, tag: &str, arguments: &[(String, String)]) -> Result<()> {
    let mut command = Command::new("docker");
    command.arg("build").args(["--tag", tag, "--file"]).arg(context.join(dockerfile));
    for (name, value) in arguments {
        command.args(["--build-arg", &format!("{name}={value}")]);
    }
    command.arg(context).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let started = Instant::now();
    let child = command.spawn().context("`docker` could not be started")?;
    let mut output = std::pin::pin!(child.wait_with_output());
    let output = loop {
        match timeout(PATIENCE, &mut output).await {
            Ok(output) => break output?,
            Err(_) if started.elapsed() > BUILD_LIMIT => bail!("building {tag} took longer than an hour"),
            Err(_) => say(&format!("still building {tag}: {} s", started.elapsed().as_secs())),
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let lines: Vec<&str> = said.trim().lines().collect();
    bail!("building {tag} failed:\n{}", lines[lines.len().saturating_sub(SHOWN)..].join("\n"));
}
