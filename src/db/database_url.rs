//! The address of the database: parsed once, and shown without what it keeps secret.

use std::{
    fmt,
    path::{self, Path},
    str::FromStr,
};

use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::SqliteConnectOptions,
};
use url::Url;

/// The parameters of an address that the driver knows; the first one is a secret.
const PARAMETERS: [&str; 18] = [
    "password",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
    "options",
];
/// The parameters that name an authority's certificate.
const AUTHORITY: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];
const MASK: &str = "***";

/// The database's address. `Debug` and `Display` mask its password.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) options: Options,
    shown: String,
}

/// How connections are made.
#[derive(Clone)]
pub(super) enum Options {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

/// Why an address was refused. Repeats nothing of it, since a part of it may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDatabaseUrl(&'static str);

const SCHEME: InvalidDatabaseUrl = InvalidDatabaseUrl("it begins with neither postgres:, postgresql: nor sqlite:");
const SHAPE: InvalidDatabaseUrl = InvalidDatabaseUrl(
    "it is no address; in a user name or password write the characters : / ? # [ ] @ % in percent-encoding, as %40 \
     for @",
);
const HOSTS: InvalidDatabaseUrl = InvalidDatabaseUrl(
    "it names several hosts, of which buoy uses one: give the name or address that leads to the server that takes \
     writes",
);
const PARAMETER: InvalidDatabaseUrl = InvalidDatabaseUrl(
    "it has a parameter that buoy does not know; among the known are sslmode, sslrootcert, host, port, dbname, user, \
     password, application_name and options",
);
const VALUE: InvalidDatabaseUrl = InvalidDatabaseUrl("one of its parameters has a value that buoy does not know");
const FILE: InvalidDatabaseUrl =
    InvalidDatabaseUrl("it names no file, as sqlite:buoy.db or sqlite:///data/buoy.db does");

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        match text.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => postgres(text),
            Some(("postgres" | "postgresql", _)) => Err(SHAPE),
            Some(("sqlite", file)) => {
                if file.trim_start_matches('/').is_empty() {
                    return Err(FILE);
                }
                let options: SqliteConnectOptions = text.parse().map_err(|_| VALUE)?;
                let options = Options::Sqlite(Box::new(options.disable_statement_logging()));
                Ok(Self { options, shown: text.to_owned() })
            }
            _ => Err(SCHEME),
        }
    }
}

impl DatabaseUrl {
    /// Whether this names the embedded database.
    pub fn is_embedded(&self) -> bool {
        matches!(self.options, Options::Sqlite(_))
    }

    /// The file of the embedded database; none for a server, or if it is in memory.
    pub fn file(&self) -> Option<&Path> {
        let in_memory = self.shown.contains(":memory:") || self.shown.contains("mode=memory");
        match &self.options {
            Options::Sqlite(options) if !in_memory => Some(options.get_filename()),
            _ => None,
        }
    }

    /// How connections to a server are made; none for the embedded database.
    pub(super) fn server(&self) -> Option<&PgConnectOptions> {
        match &self.options {
            Options::Postgres(options) => Some(options),
            Options::Sqlite(_) => None,
        }
    }

    /// The database in words for the operator: its name, host and port, or its file.
    pub fn place(&self) -> String {
        match (self.server(), self.file()) {
            (Some(options), _) => place(options),
            (None, Some(file)) => path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string(),
            (None, None) => "in memory".to_owned(),
        }
    }
}

/// A server's database in words for the operator.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{database} at {}", socket.display()),
        None => format!("{database} on {} port {}", options.get_host(), options.get_port()),
    }
}

fn postgres(text: &str) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
    let url = Url::parse(text).map_err(|_| SHAPE)?;
    // Behind the host stands the rest of a user name and password that were not encoded.
    if url.fragment().is_some() || url.path().contains('@') || url.query().is_some_and(|query| query.contains('@')) {
        return Err(SHAPE);
    }
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let is_known = |name: &str| PARAMETERS.contains(&name) || (name.starts_with("options[") && name.ends_with(']'));
    if !parameters.iter().all(|(name, _)| is_known(name)) {
        return Err(PARAMETER);
    }
    let options: PgConnectOptions = text.parse().map_err(|_| VALUE)?;
    if options.get_host().contains(',') {
        return Err(HOSTS);
    }
    // An IPv6 address stands in brackets, which only an address with a port needs.
    let host = options.get_host().trim_matches(['[', ']']).to_owned();
    let names_authority = parameters.iter().any(|(name, _)| AUTHORITY.contains(&name.as_str()));
    let options = verifying(options.host(&host), names_authority);
    let options = options.application_name("buoy").disable_statement_logging();
    Ok(DatabaseUrl { options: Options::Postgres(Box::new(options)), shown: masked(url, parameters) })
}

/// Takes two settings for what they are meant to be. The driver trusts the public authorities beside the one that is
/// given, so verify-ca would take any certificate, and with require it would not look at the authority that is given.
fn verifying(options: PgConnectOptions, names_authority: bool) -> PgConnectOptions {
    match options.get_ssl_mode() {
        PgSslMode::VerifyCa => options.ssl_mode(PgSslMode::VerifyFull),
        PgSslMode::Require if names_authority => options.ssl_mode(PgSslMode::VerifyFull),
        _ => options,
    }
}

/// The address without its password, which may be a parameter as well.
fn masked(mut url: Url, parameters: Vec<(String, String)>) -> String {
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if parameters.iter().any(|(name, _)| name == PARAMETERS[0]) {
        let shown = |(name, value): (String, String)| {
            if name == PARAMETERS[0] { (name, MASK.to_owned()) } else { (name, value) }
        };
        url.query_pairs_mut().clear().extend_pairs(parameters.into_iter().map(shown));
    }
    url.into()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> PgConnectOptions {
        let url: DatabaseUrl = text.parse().unwrap();
        let Options::Postgres(options) = url.options else { panic!("{text} is a server's") };
        *options
    }

    #[test]
    fn both_databases_have_addresses() {
        for good in [
            "sqlite:buoy.db",
            "sqlite:///var/lib/buoy.db",
            "sqlite::memory:",
            "postgres://localhost/buoy",
            "postgresql://u:p@[::1]:5432/buoy?sslmode=require",
            "postgres:///buoy?host=/run/postgresql",
            "postgres://u:%40%2F%3F@db/buoy?options[statement_timeout]=1000",
        ] {
            assert_eq!(good.parse::<DatabaseUrl>().err(), None, "{good}");
        }
        for (bad, why) in [
            ("mysql://localhost/buoy", SCHEME),
            ("buoy.db", SCHEME),
            ("", SCHEME),
            ("${db.DATABASE_URL}", SCHEME),
            ("sqlite:", FILE),
            ("sqlite://", FILE),
            ("sqlite:buoy.db?mode=hush", VALUE),
            ("postgres:buoy", SHAPE),
            ("postgres://h:port/x", SHAPE),
            ("postgres://h/d?sslmode=hush", VALUE),
            ("postgres://h/d?passwd=hush", PARAMETER),
        ] {
            assert_eq!(bad.parse::<DatabaseUrl>().err(), Some(why), "{bad}");
        }
    }

    #[test]
    fn a_password_that_is_not_encoded_is_refused() {
        for password in ["hu/sh", "5432/hush", "5432?hush", "5432#hush", "5432/hush?x", "hu:s/h"] {
            let text = format!("postgres://ann:{password}@db/buoy");
            assert_eq!(text.parse::<DatabaseUrl>().err(), Some(SHAPE), "{text}");
        }
    }

    #[test]
    fn several_hosts_are_refused() {
        for (text, why) in [
            ("postgres://u:p@one,two/buoy", HOSTS),
            ("postgres://u:p@one:5432,two:5432/buoy", SHAPE),
            ("postgres:///buoy?host=one,two", HOSTS),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().err(), Some(why), "{text}");
        }
    }

    #[test]
    fn only_the_password_is_masked() {
        for (text, shown) in [
            ("postgres://u:s%3Ecret@db:5432/buoy", "postgres://u:***@db:5432/buoy"),
            ("postgres://u:a@b@db/buoy", "postgres://u:***@db/buoy"),
            ("postgres://db/buoy?password=hush&sslmode=require", "postgres://db/buoy?password=***&sslmode=require"),
            ("postgres://u@db/buoy", "postgres://u@db/buoy"),
            ("sqlite:buoy.db", "sqlite:buoy.db"),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), format!("DatabaseUrl({shown})")));
        }
    }

    #[test]
    fn an_address_of_ipv6_is_used_without_its_brackets() {
        for text in ["postgres://u@[::1]:5433/buoy", "postgres:///buoy?host=::1&port=5433"] {
            assert_eq!(options(text).get_host(), "::1", "{text}");
            assert_eq!(text.parse::<DatabaseUrl>().unwrap().place(), "buoy on ::1 port 5433");
        }
    }

    #[test]
    fn an_authority_that_is_given_is_looked_at() {
        for (parameters, full) in [
            ("", false),
            ("?sslmode=require", false),
            ("?sslmode=require&sslrootcert=/ca.pem", true),
            ("?sslmode=verify-ca", true),
            ("?sslmode=verify-full", true),
        ] {
            let mode = options(&format!("postgres://u@h/d{parameters}")).get_ssl_mode();
            assert_eq!(matches!(mode, PgSslMode::VerifyFull), full, "{parameters}");
        }
    }
}
