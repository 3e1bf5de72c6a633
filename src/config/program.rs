//! The program itself: what it logs, the threads it runs on, and which command it runs where no argument says so.

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
        /// Least level that is logged: off, error, warn, info, debug or trace, or a list of directives; info,buoy::redirect=debug adds a line for each redirect from the cache.
        level: String = "LOG_LEVEL", "info", form::log_filter();
        /// Form of a line: text, json, or auto for text on a terminal and JSON elsewhere.
        format: LogFormat = "LOG_FORMAT", "auto", form::choice::<LogFormat>("auto, text or json");
    }
}

/// What the system's scheduler is told of the program's threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CpuScheduling {
    /// Nothing: whoever has waited for input may interrupt others.
    Normal,
    /// They interrupt nobody who shares their processors (`SCHED_BATCH` of Linux), and so find several requests at once.
    Batch,
}

concern! {
    /// The threads that requests are answered on.
    pub RuntimeConfig {
        /// Threads that answer requests; left unset there is one for each processor.
        worker_threads: Option<usize> = "WORKER_THREADS", unset like "2", form::whole(1..=1_024, "threads");
        /// How threads share processors with other programs: normal, or batch for throughput, so that they wait until a program that they share a processor with (proxy, database) has done its work, instead of interrupting it for each request. Linux only.
        cpu_scheduling: CpuScheduling = "CPU_SCHEDULING", "normal", form::choice::<CpuScheduling>("normal or batch");
    }
}

concern! {
    /// What the program does when it is told nothing.
    pub(super) ProgramConfig {
        /// Subcommand to run where the command line names none; left unset it is serve.
        command: Option<String> = "BUOY_COMMAND", unset like "migrate", form::command_name();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{concern::Concern as _, source::Source},
        *,
    };

    fn runtime(name: &str, value: &str) -> Option<RuntimeConfig> {
        RuntimeConfig::read(&mut Source::new([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn threads_are_one_for_each_processor_unless_their_number_is_given() {
        for (value, threads) in [("", Some(None)), ("1", Some(Some(1))), ("0", None), ("1025", None), ("two", None)] {
            assert_eq!(runtime("WORKER_THREADS", value).map(|config| config.worker_threads), threads, "{value}");
        }
    }

    #[test]
    fn scheduling_is_chosen_by_name() {
        let kinds = [("", Some(CpuScheduling::Normal)), ("batch", Some(CpuScheduling::Batch)), ("fifo", None)];
        for (value, kind) in kinds {
            assert_eq!(runtime("CPU_SCHEDULING", value).map(|config| config.cpu_scheduling), kind, "{value}");
        }
    }

    #[test]
    fn formats_are_chosen_by_name() {
        for (name, format) in [("auto", Some(LogFormat::Auto)), ("JSON", Some(LogFormat::Json)), ("xml", None)] {
            let mut source = Source::new([("LOG_FORMAT".to_owned(), name.to_owned())]);
            assert_eq!(LogConfig::read(&mut source).map(|config| config.format), format, "{name}");
        }
    }
}
