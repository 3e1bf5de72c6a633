//! The database: its address, how it is reached, and how long a request waits for it.

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{
    concern::concern,
    form::{self, Form},
    source::{Source, placeholder},
};
use crate::db::{DatabaseUrl, SchemaName, StoreSettings, Tls};

concern! {
    StoreSettings {
        /// Address of the database. Left unset it is an SQLite file in the working directory.
        url = "DATABASE_URL", "sqlite:buoy.db" like "postgres://buoy:secret@db.example:5432/buoy", address(), secret;
        /// Encryption of the connections to PostgreSQL; require does not look at the certificate. Left unset it is
        /// verify-full if DATABASE_CA_CERT is given, else what sslmode in DATABASE_URL says, else prefer.
        tls = "DATABASE_TLS", unset like "require", tls();
        /// Certificate of the authority that signed the database's own, as PEM text; App Platform gives it as
        /// ${db.CA_CERT}.
        ca_cert = "DATABASE_CA_CERT", unset like "${db.CA_CERT}", ca_cert();
        /// Schema in PostgreSQL that holds buoy's tables; `buoy migrate` creates it if it may. Left unset it is the
        /// role's own, mostly public.
        schema = "DATABASE_SCHEMA", unset like "links", schema();
        /// Address of the same database without the connection pooler that DATABASE_URL leads to, as PgBouncer in
        /// transaction mode: for migrations and the listener. Left unset DATABASE_URL must name the database itself.
        direct_url = "DATABASE_DIRECT_URL", unset like "postgres://buoy:secret@db.example:25060/buoy", server(), secret;
        /// Connections to the database that one process keeps at most, not counting the listener's.
        pool_size = "DATABASE_POOL_SIZE", "5", form::whole(1..=200, "connections");
        /// Milliseconds that a request waits for a connection before it is answered with 503.
        wait = "DATABASE_WAIT_MS", "800", form::millis(1..=60_000);
        /// Whether buoy may do without DATABASE_URL. Set it to false in a container, in which the embedded file would
        /// be lost at the next deployment: the start then fails unless DATABASE_URL is given.
        embedded = "EMBEDDED_DATABASE", "true", form::flag();
        /// Whether `buoy serve` brings PostgreSQL's schema up to date before it becomes ready, which is safe with many
        /// replicas. An SQLite database is always migrated.
        migrate = "MIGRATE_ON_START", "false", form::flag();
    }
}

fn address() -> Form<DatabaseUrl> {
    let expected = "an address as postgres://user:password@host:5432/name or sqlite:buoy.db";
    let read = |text: &str| text.parse::<DatabaseUrl>().map_err(|reason| Some(reason.to_string()));
    Form::with_reasons(expected, read).hiding(DatabaseUrl::to_string)
}

/// The same for what only a server has.
fn server() -> Form<DatabaseUrl> {
    let read = |text: &str| match address().read(text)? {
        url if url.is_embedded() => Err(Some("it names a file".to_owned())),
        url => Ok(url),
    };
    let expected = "an address as postgres://user:password@host:5432/name";
    Form::with_reasons(expected, read).hiding(DatabaseUrl::to_string)
}

/// The modes that mean what they say: the driver has no fallback for allow, and trusts any public authority with
/// verify-ca.
fn tls() -> Form<Tls> {
    Form::new("disable, prefer, require or verify-full", |text| match text.to_ascii_lowercase().as_str() {
        "disable" => Some(Tls::Disable),
        "prefer" => Some(Tls::Prefer),
        "require" => Some(Tls::Require),
        "verify-full" => Some(Tls::VerifyFull),
        _ => None,
    })
}

/// Only the outer form is checked, so that text which is no certificate stops the start instead of looking like a
/// database that cannot be reached. A refused one may be a private key. App Platform leaves the name of the binding
/// in place if the database has no certificate.
fn ca_cert() -> Form<String> {
    let expected = "the PEM text of a certificate, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
    let read = |text: &str| {
        // Some tools keep a variable on one line.
        let text = text.replace("\\n", "\n");
        let certificates: Result<Vec<CertificateDer<'_>>, _> =
            CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let sound = certificates.is_ok_and(|list| !list.is_empty() && list.iter().all(|one| !one.is_empty()));
        sound.then_some(text)
    };
    Form::new(expected, read).hiding(String::clone).unset_by_placeholders()
}

fn schema() -> Form<SchemaName> {
    Form::new("a name of small letters, digits and underscores, as buoy", SchemaName::new)
}

/// The name of the binding that `DATABASE_CA_CERT` holds instead of a certificate.
pub(super) fn unbound_certificate(given: Option<&str>) -> Option<&str> {
    given.map(str::trim).filter(|text| placeholder(text) == Some(text))
}

/// Notes a fault if less would be verified than was asked for, or a file be used against the operator's word, encrypted
/// or pooled.
pub(super) fn check(store: &StoreSettings, source: &mut Source) {
    check_tls(store, source);
    if !store.embedded && source.given("DATABASE_URL").is_none() {
        source.fault(
            "DATABASE_URL",
            "expected the address of a database, as EMBEDDED_DATABASE is false: the embedded database is a file, and \
             a file in a \
             container is lost at the next deployment",
        );
    }
    if store.url.is_embedded() && store.tls.is_some_and(|tls| !matches!(tls, Tls::Disable)) {
        source.fault("DATABASE_TLS", "expected it unset, as DATABASE_URL names a file");
    }
    if store.url.is_embedded() && store.direct_url.is_some() {
        source.fault("DATABASE_DIRECT_URL", "expected it unset, as DATABASE_URL names a file");
    }
}

/// A certificate that was to be given and is not never means a weaker check.
fn check_tls(store: &StoreSettings, source: &mut Source) {
    const MISSING: &str = "expected the PEM text of a certificate, as DATABASE_TLS is verify-full";
    match (&store.ca_cert, store.tls) {
        (None, Some(Tls::VerifyFull)) => {
            let unbound = unbound_certificate(source.given("DATABASE_CA_CERT")).map(str::to_owned);
            if let Some(name) = unbound {
                let why = "the platform knows no component of that name, or it has no certificate";
                source.fault("DATABASE_CA_CERT", format!("{MISSING}, got the literal {name}: {why}"));
            } else if source.is_blank("DATABASE_CA_CERT") {
                let remedy = "leave the variable out if the certificate comes from a public authority";
                source.fault("DATABASE_CA_CERT", format!("{MISSING}, got a blank value; {remedy}"));
            }
        }
        (Some(_), Some(Tls::Disable | Tls::Prefer | Tls::Require)) => {
            source.fault(
                "DATABASE_TLS",
                "expected verify-full, as DATABASE_CA_CERT is given, which no other value looks at",
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{super::concern::Concern as _, *};

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut source = Source::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Some(store) = StoreSettings::read(&mut source) {
            check(&store, &mut source);
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

    #[test]
    fn a_refused_address_says_why() {
        for (name, url, why) in [
            ("DATABASE_URL", "postgres://u:p@one,two/buoy", "several hosts"),
            ("DATABASE_URL", "postgres://u:12/hush@db/buoy", "percent-encoding"),
            ("DATABASE_DIRECT_URL", "sqlite:buoy.db", "it names a file"),
        ] {
            let refused = faults(&[SERVER, (name, url)]);
            assert!(refused.len() == 1 && refused[0].contains(why) && !refused[0].contains("hush"), "{refused:?}");
        }
    }

    #[test]
    fn text_is_a_certificate_or_it_is_refused() {
        let read = |text: &str| ca_cert().read(text);
        assert_eq!(read(PEM), Ok(PEM.to_owned()));
        assert_eq!(read(&PEM.trim().replace('\n', "\\n")), Ok(PEM.trim().to_owned()));
        let cut = &PEM[..PEM.len() / 2];
        let key = PEM.replace("CERTIFICATE", "PUBLIC KEY");
        let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----";
        for bad in ["", "certificate", "/etc/ssl/ca.pem", cut, key.as_str(), empty] {
            assert_eq!(read(bad), Err(None), "{bad}");
        }
    }
}
