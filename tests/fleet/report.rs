//! What the run says: a line for each scenario, and the sum.

use std::{process::ExitCode, time::Duration};

use anyhow::Error;

/// Counts scenarios as they end.
#[derive(Default)]
pub(crate) struct Report {
    passed: u32,
    failed: u32,
}

impl Report {
    /// Prints how a scenario ended: its figures, or why it failed.
    pub(crate) fn record(&mut self, name: &str, result: Result<String, Error>, took: Duration) {
        match result {
            Ok(figures) => {
                self.passed += 1;
                println!("ok      {name}: {figures} ({:.0} s)", took.as_secs_f64());
            }
            Err(error) => self.failed(name, &error),
        }
    }

    /// Prints why something failed.
    pub(crate) fn failed(&mut self, name: &str, error: &Error) {
        self.failed += 1;
        println!("FAILED  {name}: {error:#}");
    }

    /// Prints the sum. A run of nothing has not passed.
    pub(crate) fn close(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Milliseconds with as many digits as they are worth.
pub(crate) fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}
