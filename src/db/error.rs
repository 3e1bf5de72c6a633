//! What can go wrong in the store, told apart by what its caller can do about it.

use sqlx::error::ErrorKind;

use super::sequences::{is_taken_id, is_unnameable_id};

/// Why a database takes no changes.
pub(crate) const READ_ONLY: &str = "it is read-only";
const DISK_FULL: &str = "its disk is full";

/// A failure of the store. Any call that asks the database can fail with it; `# Errors` stands only if a method has
/// more to say.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or is overloaded: the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// So much is asked of the database already that this was not even tried: the same call may succeed later.
    #[error("too much is asked of the database at once")]
    Overloaded,
    /// The statement took longer than it may.
    #[error("the statement took too long")]
    TooSlow,
    /// The database answers and takes no changes: the same call may succeed later.
    #[error("the database takes no changes: {0}")]
    NoChanges(&'static str),
    /// The database gave a new row an id that another row has: the same call succeeds after
    /// [`Store::mend_sequences`](super::Store::mend_sequences).
    #[error("a sequence is behind its table: it gave out an id that a row has already")]
    IdsTaken,
    /// The database gave a new row an id that the API cannot name.
    #[error(
        "a sequence is at its end, beyond 2^53 - 1: `buoy doctor` names its table; set it back to the largest id there"
    )]
    IdsExhausted,
    /// A value that must be unique is taken; names the field.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// A row names a user or link that does not exist; names the field.
    #[error("{0} names nothing that exists")]
    Missing(&'static str),
    /// The role may not do what is asked; says what has to be granted.
    #[error("{0}")]
    Forbidden(String),
    /// The file of the embedded database cannot be opened; names it and says what to do.
    #[error("{0}")]
    File(String),
    /// A migration failed.
    #[error("the schema could not be migrated: {0}")]
    Migration(sqlx::migrate::MigrateError),
    /// Anything else: a fault of the program or of the schema.
    #[error("the database refused a statement: {0}")]
    Unexpected(sqlx::Error),
}

impl StoreError {
    /// The failure in words that tell nothing of the program or its data.
    pub fn public_reason(&self) -> String {
        match self {
            Self::Unexpected(_) | Self::Migration(_) => "the database refused a statement".to_owned(),
            told => told.to_string(),
        }
    }

    /// Whether the database finds fault with the values of a statement: no other try will succeed with them.
    ///
    /// PostgreSQL's classes 22 (data exception), 23 (integrity constraint) and 54 (limit exceeded); SQLite's codes 18
    /// (too big), 19 (constraint), 20 (mismatch) and 25 (range).
    pub fn is_about_values(&self) -> bool {
        let Self::Unexpected(sqlx::Error::Database(cause)) = self else {
            return matches!(self, Self::Unexpected(sqlx::Error::Encode(_)));
        };
        let code = cause.code().unwrap_or_default();
        if cause.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
            return ["22", "23", "54"].iter().any(|class| code.starts_with(class));
        }
        code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18 | 19 | 20 | 25))
    }

    /// What an answer of the database means; none for a fault of the program or of the values.
    fn answered(cause: &dyn sqlx::error::DatabaseError) -> Option<Self> {
        if is_taken_id(cause) {
            return Some(Self::IdsTaken);
        }
        if is_unnameable_id(cause) {
            return Some(Self::IdsExhausted);
        }
        let code = cause.code().unwrap_or_default();
        if cause.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
            Self::postgres(&code)
        } else {
            // Extended codes have the primary one in their low byte.
            Self::sqlite(code.parse::<u32>().ok()? & 0xff)
        }
    }

    /// PostgreSQL's codes are from its manual, appendix A.
    fn postgres(code: &str) -> Option<Self> {
        match (code, code.get(..2)?) {
            ("57014", _) => Some(Self::TooSlow),
            ("25006", _) => Some(Self::NoChanges(READ_ONLY)),
            ("53100", _) => Some(Self::NoChanges(DISK_FULL)),
            // 08 connection, 40 rolled back (deadlock, serialisation), 53 resources, 57 operator intervention
            // (shutdown, starting up), 58 system error (input and output), 55P03 lock not available.
            (_, "08" | "40" | "53" | "57" | "58") | ("55P03", _) => {
                Some(Self::Unavailable(format!("it answered with code {code}")))
            }
            _ => None,
        }
    }

    /// SQLite's result codes: <https://www.sqlite.org/rescode.html>.
    fn sqlite(code: u32) -> Option<Self> {
        match code {
            // Busy and locked.
            5 | 6 => Some(Self::Unavailable(format!("it answered with code {code}"))),
            8 => Some(Self::NoChanges(READ_ONLY)),
            9 => Some(Self::TooSlow),
            10 => Some(Self::Unavailable("its disk fails".to_owned())),
            13 => Some(Self::NoChanges(DISK_FULL)),
            _ => None,
        }
    }

    /// Says which unique field is meant if `error` is a unique violation.
    pub(crate) fn taken(field: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |error| match kind(&error) {
            Some(ErrorKind::UniqueViolation) if !is_taken(&error) => Self::Taken(field),
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Unavailable("no connection became free in time".to_owned()),
            sqlx::Error::PoolClosed => Self::Unavailable("its connections are closed".to_owned()),
            sqlx::Error::Io(cause) => Self::Unavailable(cause.kind().to_string()),
            sqlx::Error::Tls(_) => Self::Unavailable("the TLS handshake failed".to_owned()),
            sqlx::Error::WorkerCrashed => Self::Unavailable("its worker thread ended".to_owned()),
            sqlx::Error::Protocol(_) => Self::Unavailable("the connection broke off".to_owned()),
            sqlx::Error::Database(cause) => Self::answered(cause.as_ref()).unwrap_or(Self::Unexpected(error)),
            _ => Self::Unexpected(error),
        }
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(is_taken_id)
}

pub(crate) fn kind(error: &sqlx::Error) -> Option<ErrorKind> {
    error.as_database_error().map(|cause| cause.kind())
}

pub(crate) fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    matches!(kind(error), Some(ErrorKind::ForeignKeyViolation))
}
