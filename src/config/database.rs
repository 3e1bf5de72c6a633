//! The database: where it is, and how long anything may wait for it.

use std::time::Duration;

use serde::Deserialize;

use super::{
    ca_cert::CaCert,
    concern::concern,
    database_url::{DatabaseUrl, SchemaName},
    form,
    source::Source,
};

/// How far a connection is encrypted and the server's certificate looked at; the names are those of PostgreSQL's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never encrypted.
    Disable,
    /// Encrypted where the server offers it, its certificate not looked at.
    Prefer,
    /// Always encrypted, its certificate not looked at: whoever sits in between can read everything.
    Require,
    /// Always encrypted, and the certificate must come from a known authority and be the host's own.
    VerifyFull,
}

concern! {
    /// How buoy reaches its database.
    pub DatabaseConfig {
        /// Address of the database, `postgres:`, `postgresql:` or `sqlite:`. Left unset it is an SQLite file in the working
        /// directory.
        url: DatabaseUrl = "DATABASE_URL", "sqlite:buoy.db" like "postgres://buoy:secret@db.example:5432/buoy", DatabaseUrl::form(), secret;
        /// Whether buoy may do without DATABASE_URL. Set it to false in a container, where the embedded file would be lost at the
        /// next deployment: the start then fails unless DATABASE_URL is given.
        embedded: bool = "EMBEDDED_DATABASE", "true", form::flag();
        /// Encryption of the connections to PostgreSQL: disable, prefer, require (the certificate is not looked at) or verify-full.
        /// Left unset it is verify-full where DATABASE_CA_CERT is given, else what sslmode in DATABASE_URL says, else prefer.
        tls: Option<TlsMode> = "DATABASE_TLS", unset like "require", form::choice::<TlsMode>("disable, prefer, require or verify-full");
        /// Certificate of the authority that signed the database's own, as PEM text; App Platform gives it as ${db.CA_CERT}.
        ca_cert: Option<CaCert> = "DATABASE_CA_CERT", unset like "${db.CA_CERT}", CaCert::form();
        /// Schema in PostgreSQL that holds buoy's tables; `buoy migrate` creates it where it may. Left unset it is the role's own,
        /// mostly public.
        schema: Option<SchemaName> = "DATABASE_SCHEMA", unset like "links", SchemaName::form();
        /// Address of the same database without the connection pooler that DATABASE_URL leads to, as PgBouncer in transaction mode:
        /// for migrations and the listener. Left unset DATABASE_URL must name the database itself.
        direct_url: Option<DatabaseUrl> = "DATABASE_DIRECT_URL", unset like "postgres://buoy:secret@db.example:25060/buoy", DatabaseUrl::postgres_form(), secret;
        /// Connections to the database that one process keeps at most, not counting the one that listens for changes.
        pool_size: u32 = "DATABASE_POOL_SIZE", "5", form::whole(1..=200, "connections");
        /// Milliseconds that a request waits for a connection before it is answered with 503.
        wait: Duration = "DATABASE_WAIT_MS", "800", form::millis(1..=60_000);
        /// Milliseconds that one statement may take before the database ends it.
        statement_timeout: Duration = "DATABASE_STATEMENT_TIMEOUT_MS", "10000", form::millis(1..=3_600_000);
        /// Whether `buoy serve` brings PostgreSQL's schema up to date before it becomes ready, which is safe with many replicas.
        /// An SQLite database is always migrated.
        migrate_on_start: bool = "MIGRATE_ON_START", "false", form::flag();
    }
}

impl DatabaseConfig {
    /// Notes a fault where the embedded database would be used against the operator's word, where less would be verified than
    /// was asked for, and where an address is missing or too much.
    pub(super) fn check(&self, source: &mut Source) {
        self.check_tls(source);
        self.check_direct_url(source);
        if !self.embedded && source.given("DATABASE_URL").is_none() {
            source.fault(
                "DATABASE_URL",
                "expected the address of a database, as EMBEDDED_DATABASE is false: the embedded database is a file, and a file in a \
                 container is lost at the next deployment",
            );
        }
    }

    /// A certificate that was to be given and is not never means a weaker check.
    fn check_tls(&self, source: &mut Source) {
        const MISSING: &str = "expected the PEM text of a certificate, as DATABASE_TLS is verify-full";
        match (&self.ca_cert, self.tls) {
            (None, Some(TlsMode::VerifyFull)) if source.is_blank("DATABASE_CA_CERT") => {
                source.fault(
                    "DATABASE_CA_CERT",
                    format!(
                        "{MISSING}, got a blank value; leave the variable out where the \
                     certificate comes from a public authority"
                    ),
                );
            }
            (Some(CaCert::Placeholder(name)), Some(TlsMode::VerifyFull)) => {
                let problem = format!(
                    "{MISSING}, got the literal {name}: the platform knows no component of that name, or it has no certificate"
                );
                source.fault("DATABASE_CA_CERT", problem);
            }
            (Some(CaCert::Pem(_)), Some(TlsMode::Disable | TlsMode::Prefer | TlsMode::Require)) => {
                source.fault(
                    "DATABASE_TLS",
                    "expected verify-full, as DATABASE_CA_CERT is given, which no other value looks at",
                );
            }
            _ => {}
        }
        if self.url.is_sqlite() && self.tls.is_some_and(|tls| tls != TlsMode::Disable) {
            source.fault("DATABASE_TLS", "expected it unset, as DATABASE_URL names a file");
        }
    }

    fn check_direct_url(&self, source: &mut Source) {
        if self.direct_url.is_some() && self.url.is_sqlite() {
            source.fault("DATABASE_DIRECT_URL", "expected it unset, as DATABASE_URL names a file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::concern::Concern as _, *};

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut source = Source::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Some(config) = DatabaseConfig::read(&mut source) {
            config.check(&mut source);
        }
        source.into_faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_container_does_not_start_on_the_embedded_file() {
        assert!(faults(&[]).is_empty());
        let refused = faults(&[("EMBEDDED_DATABASE", "false")]);
        assert!(refused.len() == 1 && refused[0].contains("lost at the next deployment"), "{refused:?}");
        assert!(faults(&[("EMBEDDED_DATABASE", "false"), ("DATABASE_URL", "sqlite:/data/buoy.db")]).is_empty());
    }

    #[test]
    fn a_refused_address_is_not_repeated() {
        let refused = faults(&[("DATABASE_URL", "mysql://root:hush@db/buoy")]);
        assert!(refused.len() == 1 && !refused[0].contains("hush"), "{refused:?}");
    }

    const PEM: &str = include_str!("../../tests/fixtures/authority.pem");
    const SERVER: (&str, &str) = ("DATABASE_URL", "postgres://u:hush@db/buoy");

    #[test]
    fn a_certificate_that_is_not_there_is_never_a_weaker_check() {
        let full = ("DATABASE_TLS", "verify-full");
        for missing in ["", "  ", "${db.CA_CERT}", "-----BEGIN CERTIFICATE-----", "/etc/ca.pem"] {
            let refused = faults(&[SERVER, full, ("DATABASE_CA_CERT", missing)]);
            assert!(
                refused.len() == 1 && refused[0].starts_with("DATABASE_CA_CERT: expected"),
                "{missing}: {refused:?}"
            );
        }
        assert!(faults(&[SERVER, full]).is_empty(), "public authorities");
        assert!(faults(&[SERVER, full, ("DATABASE_CA_CERT", PEM)]).is_empty());
        assert!(faults(&[SERVER, ("DATABASE_CA_CERT", PEM)]).is_empty());
        for weaker in ["disable", "prefer", "require"] {
            let refused = faults(&[SERVER, ("DATABASE_TLS", weaker), ("DATABASE_CA_CERT", PEM)]);
            assert!(refused.len() == 1 && refused[0].starts_with("DATABASE_TLS: expected verify-full"), "{refused:?}");
        }
        assert!(faults(&[SERVER, ("DATABASE_TLS", "verify-ca")])[0].contains("verify-full"));
    }

    #[test]
    fn a_file_has_no_pooler() {
        let direct = ("DATABASE_DIRECT_URL", "postgres://u:hush@direct/buoy");
        assert!(faults(&[SERVER, direct]).is_empty());
        assert_eq!(faults(&[direct]), ["DATABASE_DIRECT_URL: expected it unset, as DATABASE_URL names a file"]);
    }
}
