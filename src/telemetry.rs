//! Logs: one line per event, JSON for machines and coloured text for people, and panics among them.
//!
//! Promise: logging never blocks the caller. A thread writes the lines; if the reader of the log stalls, lines beyond
//! `QUEUED_LINES` are dropped and counted. SQL never reaches the log, whatever level is asked for.

mod guard;

use std::{
    env,
    io::{self, BufWriter, IsTerminal},
    panic::{self, PanicHookInfo},
};

use serde::Deserialize;
use tracing::Subscriber;
use tracing_appender::non_blocking::NonBlockingBuilder;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::filter_fn, fmt, fmt::writer::BoxMakeWriter, layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use self::guard::{DroppedLines, LogGuard};

/// The target under which sqlx reports each statement, slow ones as warnings.
const STATEMENTS: &str = "sqlx::query";
/// Lines that wait for the reader of the log, a few hundred bytes each.
const QUEUED_LINES: usize = 8_192;

/// What is logged, and in which form.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Directives of the filter.
    pub level: String,
    /// What a line looks like.
    pub format: LogFormat,
}

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

/// The destination of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: for a service, whose log is its output.
    Stdout,
    /// Standard error: for commands that print a result.
    Stderr,
}

impl Stream {
    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    fn writer(self) -> Box<dyn io::Write + Send> {
        match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::Stderr => Box::new(io::stderr()),
        }
    }
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_LEVEL` is no list of directives; the configuration refuses such a value earlier.
    #[error("cannot read LOG_LEVEL: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The log was set up before.
    #[error("cannot set up the log: {0}")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets up the log of the whole process, and reports panics to it. Called once, before anything is logged. Keep the
/// guard until the process ends: dropping it writes the lines that still wait.
///
/// # Errors
/// See [`TelemetryError`].
pub fn init(settings: &LogSettings, stream: Stream) -> Result<LogGuard, TelemetryError> {
    let filter = EnvFilter::builder().parse(&settings.level)?;
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style::choose(settings.format, stream.is_terminal(), no_color);
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED_LINES).thread_name("log");
    // The buffer makes one system call of the lines that have gathered; the thread flushes it when none waits.
    let (writer, worker) = queue.finish(BufWriter::new(stream.writer()));
    let guard = LogGuard::new(worker, writer.error_counter());
    subscriber(filter, style, BoxMakeWriter::new(writer)).try_init()?;
    panic::set_hook(Box::new(log_panic));
    Ok(guard)
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Json,
    Text { colours: bool },
}

impl Style {
    fn choose(format: LogFormat, terminal: bool, no_color: bool) -> Self {
        match format {
            LogFormat::Auto if !terminal => Self::Json,
            LogFormat::Json => Self::Json,
            LogFormat::Auto | LogFormat::Text => Self::Text { colours: terminal && !no_color },
        }
    }
}

fn subscriber(filter: EnvFilter, style: Style, writer: BoxMakeWriter) -> impl Subscriber + Send + Sync {
    let statements = filter_fn(|metadata| metadata.target() != STATEMENTS);
    Registry::default().with(lines(style, writer)).with(filter).with(statements)
}

fn lines(style: Style, writer: BoxMakeWriter) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_writer(writer);
    match style {
        Style::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        Style::Text { colours } => layer.with_ansi(colours).boxed(),
    }
}

/// Logs a panic as one line: its message and its place in the code. The payload holds nothing else that could be shown.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a payload that is no text").replace(['\n', '\r'], " ");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        panic.message = message,
        panic.location = location,
        panic.thread = thread.name().unwrap_or("unnamed"),
        "a thread panicked"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What a subscriber made of these parts writes while `body` runs.
    fn written(style: Style, body: impl FnOnce()) -> String {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let writer = BoxMakeWriter::new(move || Sink(Arc::clone(&sink)));
        let subscriber = subscriber(EnvFilter::new("trace"), style, writer);
        tracing::subscriber::with_default(subscriber, body);
        String::from_utf8(bytes.lock().expect("no writer panicked").clone()).expect("lines are text")
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn text_is_for_terminals_and_colours_only_there() {
        assert_eq!(Style::choose(LogFormat::Auto, false, false), Style::Json);
        assert_eq!(Style::choose(LogFormat::Auto, true, false), Style::Text { colours: true });
        assert_eq!(Style::choose(LogFormat::Auto, true, true), Style::Text { colours: false });
        assert_eq!(Style::choose(LogFormat::Text, false, false), Style::Text { colours: false });
        assert_eq!(Style::choose(LogFormat::Json, true, false), Style::Json);
    }

    #[test]
    fn a_line_is_one_json_object() {
        let caller: Option<&str> = None;
        let line = written(Style::Json, || tracing::info!(url.id = 7, took = 0.25, caller, "a\nb\u{1b}\""));
        assert_eq!((line.matches('\n').count(), line.ends_with('\n')), (1, true), "{line}");
        let mut value: serde_json::Value = serde_json::from_str(&line).expect("the line is JSON");
        assert!(value["timestamp"].take().is_string(), "{line}");
        let target = "buoy::telemetry::tests";
        let expected = serde_json::json!({
            "timestamp": null, "level": "INFO", "target": target, "message": "a\nb\u{1b}\"", "url.id": 7, "took": 0.25
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn statements_are_never_logged() {
        let text = written(Style::Text { colours: false }, || {
            tracing::warn!(target: STATEMENTS, summary = "SELECT secret", "slow statement");
            tracing::trace!("still here");
        });
        assert!(!text.contains("SELECT") && text.contains("still here"), "{text}");
    }

    #[test]
    fn a_panic_is_one_line() {
        let line = written(Style::Json, || {
            panic::set_hook(Box::new(log_panic));
            let caught = panic::catch_unwind(|| panic!("first\nsecond"));
            let _ = panic::take_hook();
            assert!(caught.is_err());
        });
        let value: serde_json::Value = serde_json::from_str(&line).expect("the line is JSON");
        assert_eq!(value["panic.message"], "first second");
        assert!(value["panic.location"].as_str().is_some_and(|place| place.contains("telemetry.rs:")), "{value}");
    }
}
