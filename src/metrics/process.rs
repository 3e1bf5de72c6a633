//! The process's own metrics, under the names that Prometheus' client libraries share.

use procfs::{
    ProcResult, boot_time_secs, page_size,
    process::{LimitValue, Process},
    ticks_per_second,
};
use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// Adds them, if the system tells them.
pub(super) fn register(registry: &mut Registry) {
    // Without /proc there are none.
    if let Err(error) = register_all(registry) {
        tracing::debug!(%error, "the process's own metrics cannot be read");
    }
}

fn register_all(registry: &mut Registry) -> ProcResult<()> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
    let mut gauge = |name: &str, help: &str, value: f64| registry.register(name, help, ConstGauge::new(value));
    gauge("process_resident_memory_bytes", "Memory in RAM", (stat.rss * page_size()) as f64);
    gauge("process_virtual_memory_bytes", "Memory that is mapped", stat.vsize as f64);
    gauge("process_open_fds", "Open file descriptors", process.fd_count()? as f64);
    let most = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(most) => most as f64,
        LimitValue::Unlimited => f64::INFINITY,
    };
    gauge("process_max_fds", "File descriptors that may be open", most);
    gauge("process_threads", "Threads", stat.num_threads as f64);
    let started = boot_time_secs()? as f64 + seconds(stat.starttime);
    gauge("process_start_time_seconds", "When the process started, in seconds since 1970", started);
    let used = seconds(stat.utime + stat.stime);
    registry.register("process_cpu_seconds", "Time on the processors, of user and system", ConstCounter::new(used));
    Ok(())
}
