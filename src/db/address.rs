//! How PostgreSQL is reached: by which address, with which verification of its certificate, and in which schema.
//!
//! A connection pooler in transaction mode gives each transaction another session. It passes on few start-up parameters, so
//! each transaction sets them anew (see [`super::pooler`]). Migrations and LISTEN need a session of their own: they always
//! use the direct address.

use std::{sync::Arc, time::Duration};

use sqlx::{Executor, Postgres, Row as _, postgres::PgConnectOptions};

/// A parameter without a meaning to PostgreSQL: if it arrives, no pooler stands in between.
const DIRECT_MARK: &str = "buoy.direct";
const IS_DIRECT: &str = "SELECT coalesce(current_setting('buoy.direct', true), '') = 'on'";

/// The remedy if an address that must be direct leads to a pooler.
pub(crate) const IS_A_POOLER: &str = "a connection pooler answers at this address: set DATABASE_URL to the database itself, \
     or keep the pooler in DATABASE_URL and set DATABASE_DIRECT_URL to the database itself";

/// How far a connection is encrypted, and the server's certificate looked at.
pub use sqlx::postgres::PgSslMode as Tls;

/// A PostgreSQL server and the ways to it.
#[derive(Debug, Clone)]
pub struct Server {
    queries: PgConnectOptions,
    /// The way around the pooler that `queries` leads to.
    direct: Option<PgConnectOptions>,
    schema: Option<Arc<str>>,
}

/// What is said of a server besides its address.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Encryption, where it is not as the address says.
    pub tls: Option<Tls>,
    /// The authority that signed the server's certificate, as PEM text.
    pub ca_cert: Option<String>,
    /// The schema that holds the tables, a plain name.
    pub schema: Option<String>,
    /// The direct address, if the other one leads to a pooler in transaction mode.
    pub direct: Option<Box<Server>>,
}

impl Server {
    /// The server at an address, whose text is `url`.
    pub(super) fn new(options: PgConnectOptions, url: &str) -> Self {
        Self { queries: verifying(options, url), direct: None, schema: None }
    }

    /// The same server, reached as `reach` says.
    #[must_use]
    pub fn reached(self, reach: &Reach) -> Self {
        let secured = |mut options: PgConnectOptions| {
            if let Some(pem) = &reach.ca_cert {
                options = options.ssl_root_cert_from_pem(pem.clone().into_bytes()).ssl_mode(Tls::VerifyFull);
            }
            match reach.tls {
                Some(tls) => options.ssl_mode(tls),
                None => options,
            }
        };
        Self {
            queries: secured(self.queries),
            direct: reach.direct.as_ref().map(|direct| secured(direct.queries.clone())),
            schema: reach.schema.as_deref().map(Arc::from),
        }
    }

    /// Whether queries go through a pooler.
    pub fn is_pooled(&self) -> bool {
        self.direct.is_some()
    }

    /// The schema that holds the tables, where one was chosen.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Options of connections with a session of their own, for migrations and the listener.
    pub fn direct(&self) -> PgConnectOptions {
        let options = self.direct.as_ref().unwrap_or(&self.queries).clone();
        self.with_search_path(options).options([(DIRECT_MARK, "on")])
    }

    /// Options of pooled connections for queries.
    pub(crate) fn queries(&self, statement_timeout: Duration) -> PgConnectOptions {
        if self.is_pooled() {
            return plain(self.queries.clone());
        }
        let timeout = ("statement_timeout", statement_timeout.as_millis().to_string());
        // A role may have another default, in which a statement fails or does not see what was committed before it.
        let isolation = ("default_transaction_isolation", "read committed".to_owned());
        self.with_search_path(self.queries.clone()).options([timeout, isolation])
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

/// Whether nothing stands between this program and the server. Asked in the simple protocol, which a pooler passes on too.
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

/// Takes two settings for what they are meant to be. The driver trusts the public authorities beside the one that is given, so
/// verify-ca would take anybody's certificate, and with require it would not look at the authority that is given.
fn verifying(options: PgConnectOptions, url: &str) -> PgConnectOptions {
    let names_authority = ["sslrootcert=", "ssl-root-cert=", "ssl-ca="].iter().any(|name| url.contains(name));
    match options.get_ssl_mode() {
        Tls::VerifyCa => options.ssl_mode(Tls::VerifyFull),
        Tls::Require if names_authority => options.ssl_mode(Tls::VerifyFull),
        _ => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        Server::new(url.parse().unwrap(), url)
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
            let mode = server(&format!("postgres://u@h/d{parameters}")).direct().get_ssl_mode();
            assert_eq!(matches!(mode, Tls::VerifyFull), full, "{parameters}");
        }
        let reach = Reach { ca_cert: Some("pem".to_owned()), ..Reach::default() };
        let mode = server("postgres://u@h/d?sslmode=disable").reached(&reach).direct().get_ssl_mode();
        assert!(matches!(mode, Tls::VerifyFull));
    }

    #[test]
    fn a_pooler_is_told_nothing_at_the_start_but_by_each_transaction() {
        let limit = Duration::from_millis(1_500);
        let reach = Reach { schema: Some("links".to_owned()), ..Reach::default() };
        let direct = Some(Box::new(server("postgres://u@direct/d")));
        let pooled = server("postgres://u@h/d").reached(&Reach { direct, ..reach.clone() });
        assert_eq!(pooled.direct().get_host(), "direct");
        assert_eq!(pooled.queries(limit).get_options(), None);
        let opening = pooled.opening(limit).unwrap();
        assert_eq!(&*opening, "SET LOCAL statement_timeout = 1500; SET LOCAL search_path = \"links\"");
        let own = server("postgres://u@h/d").reached(&reach);
        assert_eq!(own.opening(limit), None);
        let said = own.queries(limit).get_options().map(str::to_owned).unwrap();
        assert!(said.contains("search_path=\"links\"") && said.contains("statement_timeout=1500"), "{said}");
        assert!(own.direct().get_options().unwrap().contains("buoy.direct=on"));
    }
}
