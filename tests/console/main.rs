//! The console in a real browser: Debian's Chromium and its driver, against the real binary on a database of its own.
//!
//! `make test-console` runs every scenario and prints a line for each; words after `--` choose scenarios by their
//! names. `make screenshots` writes `docs/images/` instead. Without Chromium it prints `CONSOLE NOT RUN` and fails:
//! what was not run has not passed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../api/app.rs"]
#[expect(dead_code, reason = "the tests over HTTP use the rest")]
mod app;
#[path = "../common/mod.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "the tests over HTTP use the rest")]
mod common;
#[path = "../api/process.rs"]
#[expect(dead_code, reason = "the tests over HTTP use the rest")]
mod process;

mod driver;
mod pages;
mod site;
mod walk;

use std::{panic::AssertUnwindSafe, pin::Pin, process::ExitCode, time::Duration};

use futures_util::FutureExt as _;

use crate::driver::Driver;

/// How long a scenario may take.
const LIMIT: Duration = Duration::from_secs(180);

type Scenario = for<'a> fn(&'a Driver) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What is run, by name.
const SCENARIOS: [(&str, Scenario); 5] = [
    ("walk", |driver| Box::pin(walk::from_signing_in_to_a_revoked_key(driver))),
    ("keyboard", |driver| Box::pin(walk::the_keyboard_alone_is_enough(driver))),
    ("two_windows", |driver| Box::pin(walk::two_windows_do_not_overwrite_each_other(driver))),
    ("no_script", |driver| Box::pin(walk::links_are_made_and_edited_without_script(driver))),
    ("pages", |driver| Box::pin(pages::no_page_has_a_finding(driver))),
];

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let driver = match Driver::start().await {
        Ok(driver) => driver,
        Err(error) => {
            println!(
                "CONSOLE NOT RUN: chromium and chromedriver are needed (Debian: chromium, chromium-driver): {error}"
            );
            return ExitCode::FAILURE;
        }
    };
    if words.iter().any(|word| word == "screenshots") {
        pages::screenshots(&driver).await;
        return ExitCode::SUCCESS;
    }
    let mut failures = 0;
    for (name, scenario) in SCENARIOS {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let started = std::time::Instant::now();
        let run = AssertUnwindSafe(tokio::time::timeout(LIMIT, scenario(&driver))).catch_unwind();
        let passed = matches!(run.await, Ok(Ok(())));
        failures += u32::from(!passed);
        let verdict = if passed { "ok" } else { "FAILED" };
        println!("{verdict:7} {name} ({:.1} s)", started.elapsed().as_secs_f64());
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
