//! Servers as processes of their own: started, watched and ended.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use reqwest::Client;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// Clock ticks per second in /proc: 100 on every Linux platform.
const TICKS: f64 = 100.0;
const START_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A server that listens on loopback.
#[derive(Debug)]
pub struct Server {
    /// Its port.
    pub port: u16,
    /// From the start of the process to its first answer.
    pub ready_after: Duration,
    child: Child,
}

impl Server {
    /// Starts a program and waits until `path` is answered with success, or with a redirect.
    ///
    /// # Errors
    /// It does not start, ends early, or is not ready in time.
    pub async fn start(mut command: Command, port: u16, path: &str, log: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        let url = format!("http://127.0.0.1:{port}{path}");
        let started = Instant::now();
        let mut child = command.spawn().context("cannot start a server")?;
        loop {
            if let Some(status) = child.try_wait()? {
                bail!("a server ended while it started: {status}");
            }
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success() || answer.status().is_redirection()) {
                return Ok(Self { port, ready_after: started.elapsed(), child });
            }
            if started.elapsed() > START_LIMIT {
                bail!("a server was not ready within {} s", START_LIMIT.as_secs());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Its memory in RAM now, in MiB.
    pub fn resident_mib(&self) -> f64 {
        let status = self.proc("status");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        kib.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
    }

    /// Processor time that it has used, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_in(&self.proc("stat"))
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// It does not end in time; it is killed then.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.child.id() {
            Command::new("kill").arg("-TERM").arg(id.to_string()).status().await?;
        }
        timeout(STOP_LIMIT, self.child.wait()).await.context("a server did not end in time")??;
        Ok(())
    }

    fn proc(&self, file: &str) -> String {
        let id = self.child.id().unwrap_or(0);
        fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default()
    }
}

/// Processor time of every process of this name, in seconds.
pub fn cpu_of(name: &str) -> f64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0.0 };
    let stats = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| stat.contains(&format!("({name})"))).map(|stat| cpu_in(&stat)).sum()
}

/// Source: proc(5), stat: the 14th and 15th field are the ticks spent in user and in kernel mode.
fn cpu_in(stat: &str) -> f64 {
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// A port that was free a moment ago.
///
/// # Errors
/// No port is free.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_whatever_the_name() {
        let stat = "12 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 4 0 100 1 1";
        assert!((cpu_in(stat) - 4.0).abs() < 1e-9, "{}", cpu_in(stat));
    }

    #[test]
    fn this_process_has_used_its_processor() {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {}
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(cpu_in(&own) > 0.0, "{own}");
    }
}
