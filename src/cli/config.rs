//! `buoy config`: every variable, explained.

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _, Write},
};

use crate::config::{Config, Setting, VARIABLES, Variable, settings};

/// What to print.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print docs/configuration.md: every variable with its type, default, an example and its meaning, without values
    #[arg(long)]
    markdown: bool,
}

/// Prints every variable with its value, its default and its meaning.
///
/// # Errors
/// A value cannot be used: the table is printed all the same, so that it helps to find the fault.
pub fn run(args: &Args, variables: HashMap<String, String>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.markdown {
        return Ok(markdown(&mut out)?);
    }
    let bold = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    for setting in settings(variables.clone()) {
        writeln!(out, "{}", line(&setting, bold))?;
        writeln!(out, "    {}", meaning(setting.variable))?;
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

fn meaning(variable: &Variable) -> String {
    let file =
        variable.file().map(|file| format!(" Instead, {file} may name a file that holds it.")).unwrap_or_default();
    format!("{}{file}", variable.meaning)
}

const HEAD: &str = "\
# Configuration

Everything is configured by environment variables. `buoy --env-file FILE` reads more of them from a file. An empty
variable counts as unset; a secret that is empty stops the start. `buoy config` prints this list with the values in
force, secrets masked, and `buoy config --markdown` prints this page.
";

/// Writes the reference of all variables.
fn markdown(out: &mut impl Write) -> io::Result<()> {
    write!(out, "{HEAD}")?;
    for (title, variables) in VARIABLES {
        writeln!(out, "\n## {title}\n")?;
        writeln!(out, "| variable | meaning | values | default | example |\n| --- | --- | --- | --- | --- |")?;
        for variable in *variables {
            let default = variable.default.map_or_else(|| "unset".to_owned(), |default| format!("`{default}`"));
            let (name, expected, example) = (variable.name, variable.expected(), variable.example);
            writeln!(out, "| `{name}` | {} | {expected} | {default} | `{example}` |", meaning(variable))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_variables_is_up_to_date() {
        let mut page = Vec::new();
        markdown(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let kept = include_str!("../../docs/configuration.md");
        assert!(page == kept, "run `cargo run -- config --markdown > docs/configuration.md`");
    }
}
