//! The runtime that commands run on: its worker threads, and what the system's scheduler is told of them.

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

use crate::config::{CpuScheduling, RuntimeConfig};

/// A runtime with as many worker threads as are asked for, scheduled as asked.
///
/// Scheduling that the system does not grant is a warning: the service is slower under load then, but serves.
///
/// # Errors
/// Where threads cannot be started.
pub(super) fn build(config: &RuntimeConfig) -> anyhow::Result<Runtime> {
    if config.cpu_scheduling == CpuScheduling::Batch
        && let Err(error) = batch_scheduling()
    {
        tracing::warn!(error = format!("{error:#}"), "CPU_SCHEDULING=batch is not possible here");
    }
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = config.worker_threads {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().context("cannot start the runtime")
}

/// Puts this thread, and with it those that it will start, under Linux's `SCHED_BATCH`: woken by a request, it does not interrupt
/// whoever is at work on its processor. Between a proxy and its replicas on one machine that saves most changes from one
/// process to the other, since the proxy passes on all that it has before a replica runs. It takes no privilege.
#[cfg(target_os = "linux")]
fn batch_scheduling() -> anyhow::Result<()> {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };

    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    // The library sets the niceness too: the one that the program was started with is looked for in the library's own scale.
    let nice = rustix::process::getpriority_process(None).context("cannot read the niceness")?;
    let scale = (0..=ThreadPriorityValue::MAX.into()).filter_map(|step: u8| ThreadPriorityValue::try_from(step).ok());
    let priority = scale
        .map(ThreadPriority::Crossplatform)
        .find(|priority| priority.to_posix(policy).is_ok_and(|value| value == nice))
        .with_context(|| format!("the niceness {nice} cannot be kept"))?;
    set_thread_priority_and_policy(thread_native_id(), priority, policy)
        .map_err(|error| anyhow::anyhow!("the system refuses SCHED_BATCH: {error}"))
}

#[cfg(not(target_os = "linux"))]
fn batch_scheduling() -> anyhow::Result<()> {
    anyhow::bail!("it is a policy of Linux")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use super::*;

    /// Policy and niceness of the thread that reads it (fields 41 and 19 of `/proc/thread-self/stat`, see proc(5)).
    fn policy_and_nice() -> (String, String) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("readable");
        // The second field is the thread's name in parentheses, and may hold spaces: field 3 follows it.
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        (fields[41 - 3].to_owned(), fields[19 - 3].to_owned())
    }

    #[test]
    fn threads_of_the_runtime_are_as_many_and_scheduled_as_asked() {
        for (scheduling, policy, nice) in
            [(CpuScheduling::Normal, "0", 0), (CpuScheduling::Batch, "3", 0), (CpuScheduling::Batch, "3", 5)]
        {
            // In a thread of its own, since what it is set to stays.
            let seen = thread::spawn(move || {
                if nice > 0 {
                    rustix::process::setpriority_process(None, nice).expect("anyone may be nicer");
                }
                let before = policy_and_nice().1;
                let config = RuntimeConfig { worker_threads: Some(3), cpu_scheduling: scheduling };
                let runtime = build(&config).expect("a runtime");
                let worker = runtime.block_on(async { tokio::spawn(async { policy_and_nice() }).await.expect("ran") });
                (runtime.metrics().num_workers(), worker, before)
            });
            let (workers, worker, before) = seen.join().expect("no panic");
            assert_eq!((workers, worker), (3, (policy.to_owned(), before)), "{scheduling:?}, niceness {nice}");
        }
    }
}
