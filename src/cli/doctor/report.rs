//! What `buoy doctor` found, for a person or a program.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::console::Finding;

/// How one check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// It works, but will not always, or not as well as it could.
    Warn,
    /// It does not work.
    Fail,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing looked at.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    status: Status,
    found: String,
    /// The remedy, if one is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// Everything looked at.
#[derive(Debug, Default)]
pub(super) struct Report {
    checks: Vec<Check>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), mend: None }
    }

    pub(super) fn warn(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    pub(super) fn fail(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, found: found.into(), mend: Some(mend.into()) }
    }
}

impl Report {
    pub(super) fn of(checks: impl IntoIterator<Item = Check>) -> Self {
        Self { checks: checks.into_iter().collect() }
    }

    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// The checks as the console shows them.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let finding = |check: Check| Finding {
            name: check.name,
            status: check.status.name(),
            found: check.found,
            mend: check.mend,
        };
        self.checks.into_iter().map(finding).collect()
    }

    pub(super) fn failures(&self) -> usize {
        self.checks.iter().filter(|check| check.status == Status::Fail).count()
    }

    /// Prints it to the standard output; in colour on a terminal alone.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            let object = serde_json::json!({ "ok": self.failures() == 0, "checks": self.checks });
            return writeln!(out, "{object:#}");
        }
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for check in &self.checks {
            writeln!(out, "{}  {:width$}  {}", word(check.status, colour), check.name, check.found)?;
            if let Some(mend) = &check.mend {
                writeln!(out, "      {:width$}  -> {mend}", "")?;
            }
        }
        Ok(())
    }
}

/// Four letters wide.
fn word(status: Status, colour: bool) -> String {
    let (word, code) = match status {
        Status::Ok => ("ok  ", 32),
        Status::Warn => ("warn", 33),
        Status::Fail => ("fail", 31),
    };
    if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_around_the_word_alone() {
        assert_eq!(word(Status::Warn, false), "warn");
        assert_eq!(word(Status::Ok, true), "\u{1b}[32mok  \u{1b}[0m");
    }

    #[test]
    fn only_failures_count_as_failures() {
        let report = Report::of([Check::ok("a", ""), Check::warn("b", "", ""), Check::fail("c", "", "")]);
        assert_eq!(report.failures(), 1);
    }
}
