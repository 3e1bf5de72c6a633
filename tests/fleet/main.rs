//! The fleet under failure: the real image, the real Compose file, real containers, and load while they break.
//!
//! `cargo test --test fleet` builds the image, brings the stack up under a project name and a port of its own, and
//! prints one line for each scenario with what was measured. Words after `--` choose scenarios by their names,
//! `--list` shows these, `--keep` leaves the stack running. It needs a Docker engine on this machine, Compose v2, and,
//! to drop packets inside a container's network, root with `nsenter` and `iptables`. Without an engine it prints
//! `FLEET NOT RUN` and fails: what was not run has not passed.
//!
//! All traffic goes to loopback and to the stack's own containers, bounded in requests and in time.

mod api;
mod clicks;
mod docker;
mod faults;
mod history;
mod load;
mod outage;
mod report;
mod scenarios;
mod stack;

use std::process::ExitCode;

use crate::{report::Report, scenarios::SCENARIOS, stack::Stack};

#[tokio::main]
async fn main() -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    if flags.iter().any(|flag| flag == "--list") {
        SCENARIOS.iter().for_each(|scenario| println!("{}", scenario.name));
        return ExitCode::SUCCESS;
    }
    if let Err(error) = docker::engine().await {
        println!("FLEET NOT RUN: {error:#}");
        return ExitCode::FAILURE;
    }
    let stack = Stack::from_environment();
    let mut report = Report::default();
    if let Err(error) = stack.build().await {
        report.failed("the image is built", &error);
        return report.close();
    }
    for scenario in SCENARIOS.iter().filter(|scenario| chosen(scenario.name, &names)) {
        let started = std::time::Instant::now();
        let result = match tokio::time::timeout(scenarios::LIMIT, (scenario.run)(&stack)).await {
            Ok(result) => result,
            Err(_) => Err(anyhow::anyhow!("not finished after {} s", scenarios::LIMIT.as_secs())),
        };
        if result.is_err() {
            stack.keep_logs(scenario.name).await;
        }
        report.record(scenario.name, result, started.elapsed());
    }
    if !flags.iter().any(|flag| flag == "--keep")
        && let Err(error) = stack.wipe().await
    {
        println!("the stack could not be taken down: {error:#}");
    }
    report.close()
}

fn chosen(name: &str, words: &[String]) -> bool {
    words.is_empty() || words.iter().any(|word| name.contains(word.as_str()))
}
