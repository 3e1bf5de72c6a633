//! The program itself: what it logs, and which command it runs if no argument names one.

use super::{concern::concern, form};
use crate::telemetry::{LogFormat, LogSettings};

concern! {
    LogSettings {
        /// Least level that is logged: off, error, warn, info, debug or trace, or a list of directives, as
        /// info,buoy::redirect=debug for a line about each redirect from the cache.
        level = "LOG_LEVEL", "info", form::log_filter();
        /// Form of a line: text, json, or auto for text on a terminal and JSON elsewhere.
        format = "LOG_FORMAT", "auto", form::choice::<LogFormat>("auto, text or json");
    }
}

/// What the program does if its command line names no command.
pub(super) struct ProgramSettings {
    pub(super) command: Option<String>,
}

concern! {
    ProgramSettings {
        /// Subcommand to run if the command line names none; `serve` if unset.
        command = "BUOY_COMMAND", unset like "migrate", form::command_name();
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
            assert_eq!(LogSettings::read(&mut source).map(|config| config.format), format, "{name}");
        }
    }
}
