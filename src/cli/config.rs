//! `buoy config`: every variable, explained.

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _, Write as _},
};

use crate::config::{Config, Setting, settings};

/// Prints every variable with its value, its default and its meaning.
///
/// # Errors
/// Where a value cannot be used: the table is printed all the same, so that it helps to find the fault.
pub fn run(variables: HashMap<String, String>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let bold = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    for setting in settings(variables.clone()) {
        writeln!(out, "{}", line(&setting, bold))?;
        writeln!(out, "    {}", setting.variable.meaning)?;
    }
    Config::from_vars(variables)?;
    Ok(())
}

fn line(setting: &Setting, bold: bool) -> String {
    let name = setting.variable.name;
    let name = if bold { format!("\x1b[1m{name}\x1b[0m") } else { name.to_owned() };
    let value = setting.value.as_deref().unwrap_or("(unset)");
    match (setting.given, setting.variable.default) {
        (false, Some(_)) => format!("{name}={value}  (default)"),
        (false, None) => format!("{name}  (unset)"),
        (true, Some(default)) => format!("{name}={value}  (default: {default})"),
        (true, None) => format!("{name}={value}  (default: unset)"),
    }
}
