//! How PostgreSQL is reached: by which address, with which verification of its certificate, and in which schema.
//!
//! A connection pooler in transaction mode gives each transaction another session. It passes on few start-up
//! parameters, so each transaction sets them anew (see [`super::pooler`]). Migrations and LISTEN need a session of
//! their own: they always use the direct address.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use sqlx::{Executor, Postgres, Row as _, postgres::PgConnectOptions};

use super::{DatabaseUrl, StoreSettings, database_url::place, detour::Way};

/// A parameter without a meaning to PostgreSQL: if it arrives, no pooler stands in between.
const DIRECT_MARK: &str = "buoy.direct";
const IS_DIRECT: &str = "SELECT coalesce(current_setting('buoy.direct', true), '') = 'on'";

/// The remedy if an address that must be direct leads to a pooler.
pub(crate) const IS_A_POOLER: &str = "a connection pooler answers at this address: set DATABASE_URL to the database \
    itself, \
     or keep the pooler in DATABASE_URL and set DATABASE_DIRECT_URL to the database itself";

/// How far a connection is encrypted, and the server's certificate looked at.
pub use sqlx::postgres::PgSslMode as Tls;

/// A PostgreSQL server and the ways to it.
#[derive(Debug, Clone)]
pub struct Server {
    queries: Way,
    /// The way around the pooler that `queries` leads to.
    direct: Option<Way>,
    schema: Option<SchemaName>,
}

/// The name of a schema, so plain that it means the same quoted and unquoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(Arc<str>);

impl SchemaName {
    /// A name of small letters, digits and underscores that is not PostgreSQL's own.
    pub fn new(text: &str) -> Option<Self> {
        let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let first = text.starts_with(|first: char| !first.is_ascii_digit());
        // Names that begin with pg_ are PostgreSQL's own, and it cuts off what is longer.
        let own = !text.starts_with("pg_") && text != "information_schema" && text.len() <= 63;
        (letters && first && own).then(|| Self(text.into()))
    }
}

impl Server {
    /// The server of these settings; none for the embedded database.
    pub fn of(settings: &StoreSettings) -> Option<Self> {
        settings.url.server().map(|options| Self::new(options, settings))
    }

    /// The server at this address, reached as the settings say.
    pub(super) fn new(options: &PgConnectOptions, settings: &StoreSettings) -> Self {
        let direct = settings.direct_url.as_ref().and_then(DatabaseUrl::server);
        Self {
            queries: Way::new(secured(options, settings)),
            direct: direct.map(|options| Way::new(secured(options, settings))),
            schema: settings.schema.clone(),
        }
    }

    /// The database in words for the operator: its name, host and port.
    pub fn place(&self) -> String {
        place(self.itself().configured())
    }

    /// Whether the database is on another machine.
    pub fn is_elsewhere(&self) -> bool {
        let options = self.itself().configured();
        let host = options.get_host();
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        options.get_socket().is_none() && !host.starts_with('/') && !here
    }

    /// Finds out whether the database accepts connections; answers whether a way around dead addresses was found, so
    /// that connections are to be made anew.
    ///
    /// # Errors
    /// No address of its host accepts a connection.
    pub(crate) async fn find_way(&self) -> io::Result<bool> {
        let is_new = self.itself().find().await?;
        // A pooler that is away shows in the queries.
        let of_pooler = self.is_pooled() && self.queries.find().await.unwrap_or(false);
        Ok(is_new || of_pooler)
    }

    /// The way to the database itself.
    fn itself(&self) -> &Way {
        self.direct.as_ref().unwrap_or(&self.queries)
    }

    /// Whether queries go through a pooler.
    pub fn is_pooled(&self) -> bool {
        self.direct.is_some()
    }

    /// The schema that holds the tables, if one was chosen.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_ref().map(|schema| &*schema.0)
    }

    /// Options of connections with a session of their own, for migrations and the listener.
    pub fn direct(&self) -> PgConnectOptions {
        self.with_search_path(self.itself().options()).options([(DIRECT_MARK, "on")])
    }

    /// Options of pooled connections for queries.
    pub(crate) fn queries(&self, statement_timeout: Duration) -> PgConnectOptions {
        if self.is_pooled() {
            return plain(self.queries.options());
        }
        let timeout = ("statement_timeout", statement_timeout.as_millis().to_string());
        // A role may have another default, in which a statement fails or does not see what was committed before it.
        let isolation = ("default_transaction_isolation", "read committed".to_owned());
        self.with_search_path(self.queries.options()).options([timeout, isolation])
    }

    /// The first statements of each transaction that does not own its session.
    pub(crate) fn opening(&self, statement_timeout: Duration) -> Option<Arc<str>> {
        self.is_pooled().then(|| {
            let timeout = format!("SET LOCAL statement_timeout = {}", statement_timeout.as_millis());
            let path = self.schema().map(|schema| format!("; SET LOCAL search_path = \"{schema}\""));
            format!("{timeout}{}", path.unwrap_or_default()).into()
        })
    }

    fn with_search_path(&self, options: PgConnectOptions) -> PgConnectOptions {
        match self.schema() {
            Some(schema) => options.options([("search_path", format!("\"{schema}\""))]),
            None => options,
        }
    }
}

/// Whether nothing stands between this program and the server. Asked in the simple protocol, which a pooler passes on
/// too.
///
/// # Errors
/// As any statement.
pub(crate) async fn is_direct(connection: impl Executor<'_, Database = Postgres>) -> sqlx::Result<bool> {
    connection.fetch_one(sqlx::raw_sql(IS_DIRECT)).await?.try_get(0)
}

/// Without the parameters that a pooler refuses, and without statements that outlive their transaction.
fn plain(options: PgConnectOptions) -> PgConnectOptions {
    options.extra_float_digits(None).statement_cache_capacity(0)
}

/// A certificate that is given is looked at, unless DATABASE_TLS says otherwise.
fn secured(options: &PgConnectOptions, settings: &StoreSettings) -> PgConnectOptions {
    let mut options = options.clone();
    if let Some(pem) = &settings.ca_cert {
        options = options.ssl_root_cert_from_pem(pem.clone().into_bytes()).ssl_mode(Tls::VerifyFull);
    }
    match settings.tls {
        Some(tls) => options.ssl_mode(tls),
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> StoreSettings {
        StoreSettings::of(url.parse().unwrap())
    }

    #[test]
    fn an_authority_that_is_given_is_looked_at() {
        let ca_cert = Some("pem".to_owned());
        let settings = StoreSettings { ca_cert, ..settings("postgres://u@h/d?sslmode=disable") };
        let mode = Server::of(&settings).unwrap().direct().get_ssl_mode();
        assert!(matches!(mode, Tls::VerifyFull));
    }

    #[test]
    fn a_pooler_is_told_nothing_at_the_start_but_by_each_transaction() {
        let limit = Duration::from_millis(1_500);
        let alone = StoreSettings { schema: SchemaName::new("links"), ..settings("postgres://u@h/d") };
        let direct_url = Some("postgres://u@direct/d".parse().unwrap());
        let pooled = Server::of(&StoreSettings { direct_url, ..alone.clone() }).unwrap();
        assert_eq!(pooled.direct().get_host(), "direct");
        assert_eq!(pooled.place(), "d on direct port 5432");
        assert_eq!(pooled.queries(limit).get_options(), None);
        let opening = pooled.opening(limit).unwrap();
        assert_eq!(&*opening, "SET LOCAL statement_timeout = 1500; SET LOCAL search_path = \"links\"");
        let own = Server::of(&alone).unwrap();
        assert_eq!(own.opening(limit), None);
        let said = own.queries(limit).get_options().map(str::to_owned).unwrap();
        assert!(said.contains("search_path=\"links\"") && said.contains("statement_timeout=1500"), "{said}");
        assert!(own.direct().get_options().unwrap().contains("buoy.direct=on"));
    }

    #[test]
    fn a_schema_has_a_plain_name() {
        let long = "x".repeat(64);
        for (name, good) in [
            ("buoy", true),
            ("_b2", true),
            ("user", true),
            ("2b", false),
            ("a\"b", false),
            ("pg_x", false),
            (long.as_str(), false),
        ] {
            assert_eq!(SchemaName::new(name).is_some(), good, "{name}");
        }
    }
}
