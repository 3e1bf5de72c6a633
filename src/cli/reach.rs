//! From the configuration to the ways to a database.

use anyhow::{Context as _, anyhow};

use crate::{
    config::{CaCert, DatabaseConfig, TlsMode},
    db::{DatabaseUrl, Reach, Tls},
};

/// The configured database, and how it is reached.
///
/// # Errors
/// Where an address is malformed.
pub(super) fn url(config: &DatabaseConfig) -> anyhow::Result<DatabaseUrl> {
    let url: DatabaseUrl = config.url.expose().parse().context("DATABASE_URL")?;
    let direct = match &config.direct_url {
        None => None,
        Some(direct) => match direct.expose().parse().context("DATABASE_DIRECT_URL")? {
            DatabaseUrl::Postgres(server) => Some(server),
            DatabaseUrl::Sqlite(_) => return Err(anyhow!("DATABASE_DIRECT_URL must name a PostgreSQL server")),
        },
    };
    let ca_cert = match &config.ca_cert {
        Some(CaCert::Pem(pem)) => Some(pem.clone()),
        Some(CaCert::Placeholder(_)) | None => None,
    };
    let schema = config.schema.as_ref().map(|schema| schema.as_str().to_owned());
    Ok(url.reached(&Reach { tls: config.tls.map(mode), ca_cert, schema, direct }))
}

fn mode(tls: TlsMode) -> Tls {
    match tls {
        TlsMode::Disable => Tls::Disable,
        TlsMode::Prefer => Tls::Prefer,
        TlsMode::Require => Tls::Require,
        TlsMode::VerifyFull => Tls::VerifyFull,
    }
}
