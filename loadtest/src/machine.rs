//! How busy this machine is while a deployment on it is loaded: divided by the requests, what each costs, in a second in which
//! neighbours of a virtual machine take a part of its processors as well as in a quiet one.

use std::{fs, sync::Arc};

use reqwest::Url;
use tokio::time::sleep_until;

use crate::world::World;

/// Clock ticks per second in /proc: 100 on every Linux platform.
const TICKS: f64 = 100.0;

/// Whether the deployment is on this machine, as far as its address tells.
pub fn is_here(base: &Url) -> bool {
    let name = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    name == "localhost" || is_loopback
}

/// Takes down at the end of each second for how long processors worked in it, until it is aborted. On systems without /proc there is nothing to take down.
pub async fn watch(world: Arc<World>) {
    let Some(mut before) = busy_seconds() else { return };
    for second in 0.. {
        sleep_until(world.recorder.end_of(second)).await;
        let Some(now) = busy_seconds() else { return };
        world.recorder.record_busy(second, now - before);
        before = now;
    }
}

/// Seconds for which processors have worked since the machine started, all together.
fn busy_seconds() -> Option<f64> {
    busy_in(&fs::read_to_string("/proc/stat").ok()?)
}

/// Source: proc(5), stat: ticks of user, nice, system, idle, iowait, irq, softirq; what follows is a part of these or was never this
/// machine's.
fn busy_in(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().take(7).filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, nice, system, _, _, irq, softirq] = ticks[..] else { return None };
    Some((user + nice + system + irq + softirq) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_no_work() {
        let stat = "cpu  100 20 30 5000 600 7 3 90 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert!((busy_in(stat).unwrap() - 1.6).abs() < 1e-9, "{:?}", busy_in(stat));
        assert_eq!(busy_in("intr 1 2 3"), None);
    }

    #[test]
    fn this_machine_is_known_by_its_address() {
        for (address, here) in [
            ("http://127.0.0.1:80", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_here(&address.parse().unwrap()), here, "{address}");
        }
    }
}
