//! Why an attempt to connect failed, told apart by whether waiting can mend it, in words for the operator.

use std::io::ErrorKind;

use super::availability::Outage;
use crate::db::{
    StoreError,
    address::IS_A_POOLER,
    migrate::{SchemaState, needed_version},
};

/// How one attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No server answers.
    Unreachable(String),
    /// The server answers, but has no connection to spare.
    Refusing(String),
    /// The server answers, and takes no changes.
    ReadOnly,
    /// The configuration is wrong: credentials, certificate, address.
    Refused(String),
    /// The schema is not sufficient.
    Schema(SchemaState),
}

impl Failure {
    /// What is known after it.
    pub(super) fn outage(&self) -> Outage {
        match self {
            Self::Unreachable(reason) | Self::Refused(reason) => Outage { code: "unreachable", reason: reason.clone() },
            Self::ReadOnly => {
                let reason = "it takes no changes: it is read-only, perhaps as a standby or for want of room";
                Outage { code: "read_only", reason: reason.to_owned() }
            }
            Self::Refusing(reason) => Outage { code: "refusing", reason: reason.clone() },
            Self::Schema(SchemaState::TooOld { version }) => Outage {
                code: "schema_too_old",
                reason: format!(
                    "its schema is at version {version}, this program needs {}: run `buoy migrate`",
                    needed_version()
                ),
            },
            Self::Schema(_) => {
                Outage { code: "schema_missing", reason: "it has no schema yet: run `buoy migrate`".to_owned() }
            }
        }
    }

    /// Whether the database still serves requests.
    pub(super) fn serves(&self) -> bool {
        matches!(self, Self::Refusing(_) | Self::ReadOnly)
    }

    /// What an error means that came while connecting.
    pub(super) fn of_connecting(error: sqlx::Error) -> Self {
        if let Some(cause) = error.as_database_error() {
            return answered(cause);
        }
        match &error {
            // The driver hands a refused certificate on as a broken stream.
            sqlx::Error::Io(cause) if cause.to_string().starts_with("invalid peer certificate") => {
                Self::Refused(format!(
                    "its certificate is not trusted ({cause}): DATABASE_CA_CERT must hold the authority that signed \
                     it, and the \
                     host in the address must be one that it names"
                ))
            }
            sqlx::Error::Tls(cause) if cause.to_string().contains("does not support TLS") => {
                Self::Refused("it offers no encryption, which DATABASE_TLS or sslmode asks for".to_owned())
            }
            sqlx::Error::Tls(cause) => Self::Unreachable(format!("the TLS handshake failed: {cause}")),
            sqlx::Error::Io(cause) => Self::Unreachable(unreachable(cause)),
            _ => Self::Unreachable(StoreError::from(error).to_string()),
        }
    }
}

/// Why there is no connection. A failed look-up of the name has no kind of its own.
fn unreachable(cause: &std::io::Error) -> String {
    match cause.kind() {
        ErrorKind::ConnectionRefused => {
            "the connection was refused: no server listens at its address and port".to_owned()
        }
        _ if cause.to_string().starts_with("failed to lookup address") => {
            "the name of its host is not known".to_owned()
        }
        _ => cause.to_string(),
    }
}

/// The server answered, with an error.
fn answered(cause: &dyn sqlx::error::DatabaseError) -> Failure {
    let code = cause.code().unwrap_or_default();
    match code.get(..2) {
        // read_only_sql_transaction, of a standby too.
        Some("25") if code == "25006" => Failure::ReadOnly,
        // PgBouncer's words, under the code of a violated protocol.
        Some("08") if cause.message().contains("unsupported startup parameter") => {
            Failure::Refused(IS_A_POOLER.to_owned())
        }
        // Class 28: invalid authorization specification. With 28000 the server's rules admit no client this way.
        Some("28") => {
            let also = if code == "28000" { ", and whether the server asks for encryption (DATABASE_TLS)" } else { "" };
            let address = "check the user name and password in DATABASE_URL";
            Failure::Refused(format!("it refused the credentials with code {code}: {address}{also}"))
        }
        // Class 53: insufficient resources, too many connections among them.
        Some("53") => Failure::Refusing(format!("it has no connection to spare (code {code})")),
        Some("3D") => Failure::Unreachable(
            "its server has no database of that name: create it, or correct DATABASE_URL".to_owned(),
        ),
        _ => Failure::Unreachable(format!("it answered with code {code}")),
    }
}
