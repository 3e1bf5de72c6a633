//! The configuration: every variable that buoy knows, read from pairs of name and value and checked as a whole.
//!
//! Each concern has a struct of its own, and each field names its variable, its default and its unit where it is declared. All
//! faults come in one message. Nothing is read by itself: the caller hands over the process environment, and a file only where it
//! was asked for one. Only `cli` opens this room; lower floors are handed the struct that concerns them.

mod access;
mod ca_cert;
mod concern;
mod database;
mod database_url;
mod env_file;
mod form;
mod http;
mod limits;
mod program;
mod redirect;
mod retention;
mod secret_file;
mod source;
mod targets;
mod visitor;

use std::path::PathBuf;

pub use self::{
    access::{AccessConfig, AdminToken},
    ca_cert::CaCert,
    database::{DatabaseConfig, TlsMode},
    database_url::{DatabaseUrl, SchemaName},
    env_file::read_env_file,
    http::{HttpConfig, ShutdownConfig},
    limits::{LimitsConfig, LoadConfig, WhoIsLimited},
    program::{CpuScheduling, LogConfig, LogFormat, RuntimeConfig},
    redirect::{CacheConfig, ClickDurability, ClicksConfig},
    retention::RetentionConfig,
    secret_file::read_secret_files,
    source::Fault,
    targets::TargetConfig,
    visitor::{ProxyConfig, VisitorAddress, VisitorConfig},
};
use self::{program::ProgramConfig, source::Source};

/// All that can be configured. Its `Debug` output holds no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// How buoy reaches its database.
    pub database: DatabaseConfig,
    /// Where buoy listens, and what a request may cost.
    pub http: HttpConfig,
    /// Who may use the API.
    pub access: AccessConfig,
    /// What one client may do.
    pub limits: LimitsConfig,
    /// How much is taken in at once.
    pub load: LoadConfig,
    /// How buoy leaves.
    pub shutdown: ShutdownConfig,
    /// How many links are kept at hand.
    pub cache: CacheConfig,
    /// How clicks are gathered and written.
    pub clicks: ClicksConfig,
    /// How long what piles up is kept.
    pub retention: RetentionConfig,
    /// What is kept of visitors.
    pub visitors: VisitorConfig,
    /// Who is believed about where a request comes from.
    pub proxies: ProxyConfig,
    /// Where links may lead.
    pub targets: TargetConfig,
    /// What is logged.
    pub log: LogConfig,
    /// The threads that requests are answered on.
    pub runtime: RuntimeConfig,
    /// The subcommand to run where the command line names none.
    pub command: Option<String>,
}

impl Config {
    /// Reads the configuration; a later pair wins over an earlier one of the same name, an empty value counts as unset, and
    /// variables that buoy does not know are left alone.
    ///
    /// # Errors
    /// [`ConfigError::Faults`] with every fault, where there is one.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut source = Source::new(vars);
        let config = Self::read(&mut source);
        let faults = source.into_faults();
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(ConfigError::Faults(faults)),
        }
    }

    fn read(source: &mut Source) -> Option<Self> {
        let database = DatabaseConfig::read(source).inspect(|database| database.check(source));
        let http = HttpConfig::read(source);
        let access = AccessConfig::read(source);
        let limits = LimitsConfig::read(source).inspect(|limits| limits.check(source));
        let load = LoadConfig::read(source);
        let shutdown = ShutdownConfig::read(source).inspect(|shutdown| shutdown.check(source));
        let cache = CacheConfig::read(source);
        let clicks = ClicksConfig::read(source);
        let retention = RetentionConfig::read(source);
        let visitors = VisitorConfig::read(source);
        let proxies = ProxyConfig::read(source).inspect(|proxies| proxies.check(source));
        let targets = TargetConfig::read(source);
        let log = LogConfig::read(source);
        let runtime = RuntimeConfig::read(source);
        let program = ProgramConfig::read(source);
        Some(Self {
            database: database?,
            http: http?,
            access: access?,
            limits: limits?,
            load: load?,
            shutdown: shutdown?,
            cache: cache?,
            clicks: clicks?,
            retention: retention?,
            visitors: visitors?,
            proxies: proxies?,
            targets: targets?,
            log: log?,
            runtime: runtime?,
            command: program?.command,
        })
    }
}

/// One variable, as `buoy config` explains it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// The value it has where none is given; nothing where it then stays unset.
    pub default: Option<&'static str>,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// Whether it holds something that is never printed.
    pub secret: bool,
}

/// The variables of each concern, in the order in which they are explained.
pub const VARIABLES: &[(&str, &[Variable])] = &[
    ("database", DatabaseConfig::VARIABLES),
    ("http", HttpConfig::VARIABLES),
    ("access", AccessConfig::VARIABLES),
    ("limits", LimitsConfig::VARIABLES),
    ("load", LoadConfig::VARIABLES),
    ("shutdown", ShutdownConfig::VARIABLES),
    ("cache", CacheConfig::VARIABLES),
    ("clicks", ClicksConfig::VARIABLES),
    ("retention", RetentionConfig::VARIABLES),
    ("visitors", VisitorConfig::VARIABLES),
    ("proxies", ProxyConfig::VARIABLES),
    ("targets", TargetConfig::VARIABLES),
    ("log", LogConfig::VARIABLES),
    ("runtime", RuntimeConfig::VARIABLES),
    ("program", ProgramConfig::VARIABLES),
];

/// A variable beside the value that is in force.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The variable.
    pub variable: &'static Variable,
    /// Its value with secrets masked, sound or not; the default where none was given.
    pub value: Option<String>,
    /// Whether the value was given, so is not the default.
    pub given: bool,
}

/// Every variable with its value, faulty ones included, so that it helps to find a fault.
pub fn settings(vars: impl IntoIterator<Item = (String, String)>) -> Vec<Setting> {
    let source = Source::new(vars);
    let setting = |variable: &'static Variable| {
        let given = source.given(variable.name);
        let value = given.or(variable.default);
        let shown = value.map(|text| if variable.secret { database_url::masked(text) } else { one_line(text) });
        Setting { variable, value: shown, given: given.is_some() }
    };
    VARIABLES.iter().flat_map(|(_, variables)| variables.iter()).map(setting).collect()
}

/// The first line of a value, and a sign where there are more.
fn one_line(text: &str) -> String {
    text.split_once('\n').map_or_else(|| text.to_owned(), |(first, _)| format!("{first} …"))
}

/// The process environment. What is not Unicode is read with replacement characters, so that a stray variable stops nothing.
pub fn process_variables() -> impl Iterator<Item = (String, String)> {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Variables that are not as they must be.
    #[error("the configuration cannot be used{}", listed(.0))]
    Faults(Vec<Fault>),
    /// A file of variables that cannot be read.
    #[error("cannot read the file of variables {}: {cause}", path.display())]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// A file that holds a secret and cannot be read.
    #[error("{variable}: cannot read {}: {cause}", path.display())]
    SecretFile {
        /// The variable that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// Lines of a file of variables that are no assignments, each as `file:line: problem`.
    #[error("the file of variables cannot be used{}", listed(.0))]
    EnvFileLines(Vec<String>),
}

fn listed(lines: &[impl ToString]) -> String {
    lines.iter().map(|line| format!("\n  {}", line.to_string())).collect()
}

#[cfg(test)]
mod tests;
