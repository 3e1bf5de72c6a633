//! What can go wrong in the store, told apart by what its caller can do about it.

use sqlx::error::ErrorKind;

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

    /// Says which unique field is meant if `error` is a unique violation.
    pub(crate) fn taken(field: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |error| match kind(&error) {
            Some(ErrorKind::UniqueViolation) => Self::Taken(field),
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
            sqlx::Error::Database(cause) if is_timeout(cause.as_ref()) => Self::TooSlow,
            sqlx::Error::Database(cause) if is_transient(cause.as_ref()) => {
                Self::Unavailable(format!("it answered with code {}", cause.code().unwrap_or_default()))
            }
            _ => Self::Unexpected(error),
        }
    }
}

fn kind(error: &sqlx::Error) -> Option<ErrorKind> {
    error.as_database_error().map(|cause| cause.kind())
}

pub(crate) fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    matches!(kind(error), Some(ErrorKind::ForeignKeyViolation))
}

/// Whether the statement was interrupted: PostgreSQL's query_canceled, SQLite's SQLITE_INTERRUPT.
fn is_timeout(error: &dyn sqlx::error::DatabaseError) -> bool {
    let of_postgres = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some();
    error.code().is_some_and(|code| code == if of_postgres { "57014" } else { "9" })
}

/// Answers of a database that pass by themselves. PostgreSQL's five-character classes are from its manual, appendix A;
/// SQLite's numbers from its result codes (5 busy, 6 locked, with extended codes above the low byte).
fn is_transient(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        // 08 connection, 53 resources, 57 operator intervention (shutdown, starting up, statement timeout),
        // 40 rolled back (deadlock, serialisation), 25006 read-only standby, 55P03 lock not available.
        return ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
            || matches!(code.as_ref(), "25006" | "55P03");
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6))
}
