//! The program itself: what it logs, and which command it runs if no argument names one.

use serde::Deserialize;

use super::{concern::concern, form};

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

concern! {
    /// What is logged, and in which form.
    pub LogConfig {
        /// Least level that is logged: off, error, warn, info, debug or trace, or a list of directives, as
        /// info,buoy::redirect=debug for a line about each redirect from the cache.
        level: String = "LOG_LEVEL", "info", form::log_filter();
        /// Form of a line: text, json, or auto for text on a terminal and JSON elsewhere.
        format: LogFormat = "LOG_FORMAT", "auto", form::choice::<LogFormat>("auto, text or json");
    }
}

concern! {
    /// What the program does when it is told nothing.
    pub(super) ProgramConfig {
        /// Subcommand to run if the command line names none; `serve` if unset.
        command: Option<String> = "BUOY_COMMAND", unset like "migrate", form::command_name();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{concern::Concern as _, source::Source},
        *,
    };

    #[test]
    fn formats_are_chosen_by_name() {
        for (name, format) in [("auto", Some(LogFormat::Auto)), ("JSON", Some(LogFormat::Json)), ("xml", None)] {
            let mut source = Source::new([("LOG_FORMAT".to_owned(), name.to_owned())]);
            assert_eq!(LogConfig::read(&mut source).map(|config| config.format), format, "{name}");
        }
    }
}
