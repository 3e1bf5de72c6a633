//! The configuration: every variable that buoy knows, read from pairs of name and value and checked as a whole.
//!
//! The rooms below declare the settings types, and the configuration is made of them; here each variable gets its
//! name, its default and its unit. All faults come in one message. Nothing is read by itself: the caller passes the
//! process environment, and a file only if it was asked for one. Only `cli` opens this room.

mod access;
mod concern;
mod database;
mod env_file;
mod form;
mod http;
mod limits;
mod program;
mod redirect;
mod secret_file;
mod source;
mod visitors;
mod warnings;

use std::path::PathBuf;

use url::Url;

use self::{concern::Concern, program::ProgramSettings, source::Source};
pub use self::{env_file::read_env_file, secret_file::read_secret_files, source::Fault, warnings::warnings};
use crate::{
    access::AccessSettings,
    cache::CacheSettings,
    clicks::ClickSettings,
    db::StoreSettings,
    domain::{HostName, HostNames, TargetPolicy},
    http::server::ListenSettings,
    lifecycle::ShutdownSettings,
    limits::LimitSettings,
    state::{HttpSettings, Trust},
    telemetry::LogSettings,
    visitors::VisitorSettings,
};

/// All that can be configured. Its `Debug` output holds no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// How buoy reaches its database.
    pub store: StoreSettings,
    /// The address that buoy listens on, and its connections at most.
    pub listen: ListenSettings,
    /// What a request may cost, which proxies are trusted, which targets links may have, whether titles are fetched.
    pub http: HttpSettings,
    /// Who may use the API; the host of `PUBLIC_URL` is one of its names.
    pub access: AccessSettings,
    /// What one client may do.
    pub limits: LimitSettings,
    /// How long a shutdown takes.
    pub shutdown: ShutdownSettings,
    /// How links are cached.
    pub cache: CacheSettings,
    /// How clicks are gathered, and how long their events are kept.
    pub clicks: ClickSettings,
    /// What is kept of visitors.
    pub visitors: VisitorSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The subcommand to run if the command line names none.
    pub command: Option<String>,
}

impl Config {
    /// Reads the configuration; a later pair wins over an earlier one of the same name, an empty value counts as
    /// unset, and variables that buoy does not know are ignored.
    ///
    /// # Errors
    /// [`ConfigError::Faults`] with every fault.
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
        let store = StoreSettings::read(source).inspect(|store| database::check(store, source));
        let listen = ListenSettings::read(source);
        let http = HttpSettings::read(source);
        let access = AccessSettings::read(source);
        let limits = LimitSettings::read(source);
        let shutdown = ShutdownSettings::read(source).inspect(|shutdown| http::check_shutdown(shutdown, source));
        let cache = CacheSettings::read(source);
        let clicks = ClickSettings::read(source);
        let visitors = VisitorSettings::read(source);
        let trust = Trust::read(source).inspect(|_| visitors::check_trust(source));
        let targets = TargetPolicy::read(source);
        let log = LogSettings::read(source);
        let program = ProgramSettings::read(source);
        let (http, mut access) = (http?, access?);
        access.allowed_hosts = access.allowed_hosts.and(http.public_url.as_ref().and_then(Url::host_str));
        let targets = TargetPolicy { own: own_hosts(&access.allowed_hosts), ..targets? };
        Some(Self {
            store: store?,
            listen: listen?,
            http: HttpSettings { trust: trust?, targets, ..http },
            access,
            limits: limits?,
            shutdown: shutdown?,
            cache: cache?,
            clicks: clicks?,
            visitors: visitors?,
            log: log?,
            command: program?.command,
        })
    }
}

/// The names of this service in the form in which targets are compared.
fn own_hosts(names: &HostNames) -> Vec<HostName> {
    names.iter().filter_map(|name| url::Host::parse(name).ok()).map(HostName::of).collect()
}

/// One variable, as `buoy config` explains it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// The value it has if none is given; `None` if it then stays unset.
    pub default: Option<&'static str>,
    /// A value that it takes.
    pub example: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// Whether it holds something that is never printed.
    pub secret: bool,
    expected: fn() -> String,
    shown: fn(&str) -> String,
}

impl Variable {
    /// The type, limits and unit of its values, in words.
    pub fn expected(&self) -> String {
        (self.expected)()
    }
}

/// The variables of each concern, in the order in which they are explained.
pub const VARIABLES: &[(&str, &[Variable])] = &[
    ("Database", StoreSettings::VARIABLES),
    ("Address", ListenSettings::VARIABLES),
    ("Requests", HttpSettings::VARIABLES),
    ("Access", AccessSettings::VARIABLES),
    ("Rate limits", LimitSettings::VARIABLES),
    ("Shutdown", ShutdownSettings::VARIABLES),
    ("Cache", CacheSettings::VARIABLES),
    ("Clicks", ClickSettings::VARIABLES),
    ("Visitors", VisitorSettings::VARIABLES),
    ("Proxies", Trust::VARIABLES),
    ("Targets", TargetPolicy::VARIABLES),
    ("Log", LogSettings::VARIABLES),
    ("Program", ProgramSettings::VARIABLES),
];

/// Every variable.
pub fn variables() -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().flat_map(|(_, variables)| variables.iter())
}

/// A variable beside the value that is in force.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The variable.
    pub variable: &'static Variable,
    /// Its value with secrets masked, sound or not; the default if none was given.
    pub value: Option<String>,
    /// Whether the value was given, so is not the default.
    pub given: bool,
}

/// Every variable with its value, faulty ones included, so that it helps to find a fault. A faulty value that may be
/// a secret is masked as a whole.
pub fn settings(vars: impl IntoIterator<Item = (String, String)>) -> Vec<Setting> {
    let source = Source::new(vars);
    let setting = |variable: &'static Variable| {
        let given = source.given(variable.name);
        let value = given.or(variable.default).map(|text| (variable.shown)(text));
        Setting { variable, value, given: given.is_some() }
    };
    variables().map(setting).collect()
}

/// The process environment. What is not Unicode is read with replacement characters, so that a stray variable stops
/// nothing.
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
    /// Lines of a file of variables that are no assignments, each as `file:line: problem`.
    #[error("the file of variables cannot be used{}", listed(.0))]
    EnvFileLines(Vec<String>),
}

fn listed(lines: &[impl ToString]) -> String {
    lines.iter().map(|line| format!("\n  {}", line.to_string())).collect()
}

#[cfg(test)]
mod tests;
