//! The SQL that differs. A statement comes here only after failing to be portable, with the reason.

/// One statement, worded for each database.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    /// For PostgreSQL.
    pub postgres: &'static str,
    /// For SQLite.
    pub sqlite: &'static str,
}

impl Sql {
    /// The wording for the database at hand.
    pub const fn on(&self, embedded: bool) -> &'static str {
        if embedded { self.sqlite } else { self.postgres }
    }
}

/// Reads a link that is about to change, and keeps others from changing it. SQLite has no row locks: a transaction
/// that writes has the whole database.
pub const URL_TO_CHANGE: Sql = Sql {
    postgres: "SELECT id, user_id, short_code, original_url, title, is_active, created_at, updated_at \
               FROM urls WHERE id = $1 FOR UPDATE",
    sqlite: "SELECT id, user_id, short_code, original_url, title, is_active, created_at, updated_at \
             FROM urls WHERE id = $1",
};

/// Keeps others from giving a link to a user that is about to be deleted; the reason is that of [`URL_TO_CHANGE`].
pub const USER_TO_DELETE: Sql =
    Sql { postgres: "SELECT id FROM users WHERE id = $1 FOR UPDATE", sqlite: "SELECT id FROM users WHERE id = $1" };

/// Keeps others from changing the links of a user that is about to be deleted; the reason is that of
/// [`URL_TO_CHANGE`].
pub const URLS_TO_DELETE: Sql = Sql {
    postgres: "SELECT id FROM urls WHERE user_id = $1 ORDER BY id FOR UPDATE",
    sqlite: "SELECT id FROM urls WHERE user_id = $1 ORDER BY id",
};

/// Whether this transaction is the only one at work on a key. SQLite has one writer: whoever asks, is it.
pub const TRY_LOCK_KEY: Sql = Sql { postgres: "SELECT pg_try_advisory_xact_lock($1)", sqlite: "SELECT $1 IS NOT NULL" };

/// The newest migration applied. The table is sqlx's own, and its flag has a type of its own on each database.
pub const SCHEMA_VERSION: Sql = Sql {
    postgres: "SELECT max(version) FROM _sqlx_migrations WHERE success",
    sqlite: "SELECT max(version) FROM _sqlx_migrations WHERE success = 1",
};

/// Tells the other replicas; SQLite has no channels, and no other replicas.
pub(super) const ANNOUNCE: &str = "SELECT pg_notify($1, $2)";

/// Every statement of this module.
pub(super) const STATEMENTS: &[Sql] = &[URL_TO_CHANGE, USER_TO_DELETE, URLS_TO_DELETE, TRY_LOCK_KEY, SCHEMA_VERSION];
