//! The SQL that differs. A statement comes here only after failing to be portable, with the reason.

use super::columns::url_columns;

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

/// Deletes up to `$2` clicks of the days before that of the moment `$1`, in UTC, the oldest first. PostgreSQL has them
/// by day, which costs the writer less than by moment; SQLite by moment.
pub const PRUNE_CLICKS: Sql = Sql {
    postgres: r"
    DELETE FROM events
    WHERE id IN (
        SELECT id
        FROM events
        WHERE event_type = 'click'
        AND (timestamp AT TIME ZONE INTERVAL '0')::date < ($1::timestamptz AT TIME ZONE INTERVAL '0')::date
        ORDER BY (timestamp AT TIME ZONE INTERVAL '0')::date, id
        LIMIT $2
    )",
    sqlite: r"
    DELETE FROM events
    WHERE id IN (
        SELECT id
        FROM events
        WHERE event_type = 'click'
        AND timestamp < $1
        ORDER BY timestamp
        LIMIT $2
    )",
};

/// A moment of the first day that has clicks, from the day that begins at `$1` on; the reason is that of
/// [`PRUNE_CLICKS`].
pub const NEXT_CLICK: Sql = Sql {
    postgres: r"
    SELECT timestamp
    FROM events
    WHERE event_type = 'click'
    AND (timestamp AT TIME ZONE INTERVAL '0')::date >= ($1::timestamptz AT TIME ZONE INTERVAL '0')::date
    ORDER BY (timestamp AT TIME ZONE INTERVAL '0')::date, id
    LIMIT 1",
    sqlite: r"
    SELECT timestamp
    FROM events
    WHERE event_type = 'click'
    AND timestamp >= $1
    ORDER BY timestamp
    LIMIT 1",
};

/// Clicks of a day that ends at `$2`, after the one at `$1` with the id `$3`; the reason is that of [`PRUNE_CLICKS`].
pub const CLICKS_OF_DAY: Sql = Sql {
    postgres: r"
    SELECT id, url_id, timestamp, details
    FROM events
    WHERE event_type = 'click'
    AND (timestamp AT TIME ZONE INTERVAL '0')::date = ($1::timestamptz AT TIME ZONE INTERVAL '0')::date
    AND timestamp < $2
    AND id > $3
    ORDER BY id
    LIMIT $4",
    sqlite: r"
    SELECT id, url_id, timestamp, details
    FROM events
    WHERE event_type = 'click'
    AND timestamp >= $1
    AND timestamp < $2
    AND (timestamp > $1 OR id > $3)
    ORDER BY timestamp, id
    LIMIT $4",
};

/// Reads a link that is about to change, and keeps others from changing it. SQLite has no row locks: a transaction
/// that writes has the whole database.
pub const URL_TO_CHANGE: Sql = Sql {
    postgres: concat!("SELECT ", url_columns!(), " FROM urls WHERE id = $1 FOR UPDATE"),
    sqlite: concat!("SELECT ", url_columns!(), " FROM urls WHERE id = $1"),
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

/// Reads a key that is about to be revoked or to make another; the reason is that of [`URL_TO_CHANGE`].
pub const KEY_TO_CHANGE: Sql = Sql {
    postgres: "SELECT user_id, revoked_at FROM api_keys WHERE id = $1 FOR UPDATE",
    sqlite: "SELECT user_id, revoked_at FROM api_keys WHERE id = $1",
};

/// Keeps others from adding clicks until the transaction ends. SQLite has one writer.
pub const LOCK_ROLLUPS: Sql = Sql { postgres: "LOCK TABLE click_days IN SHARE ROW EXCLUSIVE MODE", sqlite: "SELECT 1" };

/// Whether this transaction is the only one at work on a key. SQLite has one writer: whoever asks, is it.
pub const TRY_LOCK_KEY: Sql = Sql { postgres: "SELECT pg_try_advisory_xact_lock($1)", sqlite: "SELECT $1 IS NOT NULL" };

/// Lets others share a key, but nobody be alone with it, until the transaction ends. SQLite has one writer.
pub const SHARE_KEY: Sql = Sql { postgres: "SELECT pg_advisory_xact_lock_shared($1)", sqlite: "SELECT $1" };

/// The newest migration applied. The table is sqlx's own, and its flag has a type of its own on each database.
pub const SCHEMA_VERSION: Sql = Sql {
    postgres: "SELECT max(version) FROM _sqlx_migrations WHERE success",
    sqlite: "SELECT max(version) FROM _sqlx_migrations WHERE success = 1",
};

/// Tells the other replicas; SQLite has no channels, and no other replicas.
pub(crate) const ANNOUNCE: &str = "SELECT pg_notify($1, $2)";

/// Keeps the ids of table `$1` up to `$2` from being given out; never moves back. Each database has its own place for
/// the last id. PostgreSQL knows none of a sequence that was never used.
pub const RESERVE_IDS: Sql = Sql {
    postgres: r"
    SELECT setval(pg_get_serial_sequence($1, 'id'), $2)
    WHERE coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass), 0) < $2",
    sqlite: "UPDATE sqlite_sequence SET seq = $2 WHERE name = $1 AND seq < $2",
};

/// SQLite notes a table's last id only from its first row on.
pub const BEGIN_SEQUENCES: Sql = Sql {
    postgres: "SELECT 1",
    sqlite: r"
    INSERT INTO sqlite_sequence (name, seq)
    SELECT t.name, 0
    FROM (SELECT 'users' AS name UNION ALL SELECT 'urls') t
    WHERE t.name NOT IN (SELECT name FROM sqlite_sequence)",
};

/// Every statement of this module, but for those on temporary tables: they can be prepared only where these are.
pub(crate) const STATEMENTS: &[Sql] = &[
    PRUNE_CLICKS,
    NEXT_CLICK,
    CLICKS_OF_DAY,
    URL_TO_CHANGE,
    USER_TO_DELETE,
    URLS_TO_DELETE,
    TRY_LOCK_KEY,
    SHARE_KEY,
    SCHEMA_VERSION,
    RESERVE_IDS,
    BEGIN_SEQUENCES,
];

/// The temporary tables of [`crate::store::bulk`]: a chunk of each kind, and `import_claims`, which notes for each id
/// of a user's row whom it stands for. The types and collations are those of the tables that they are compared with.
pub(crate) const CREATE_STAGING: Sql = Sql {
    postgres: "CREATE TEMP TABLE import_users (nth BIGINT NOT NULL, id BIGINT, username TEXT COLLATE \"C\", \
               email TEXT COLLATE \"C\", created_at TIMESTAMPTZ); \
               CREATE TEMP TABLE import_claims (row_id BIGINT PRIMARY KEY, username TEXT COLLATE \"C\" NOT NULL, \
               user_id BIGINT NOT NULL); \
               CREATE TEMP TABLE import_codes (nth BIGINT NOT NULL, short_code TEXT COLLATE \"C\" NOT NULL, \
               retired_at TIMESTAMPTZ NOT NULL); \
               CREATE TEMP TABLE import_urls (nth BIGINT NOT NULL, id BIGINT, user_id BIGINT NOT NULL, \
               short_code TEXT COLLATE \"C\" NOT NULL, is_chosen BOOLEAN NOT NULL, original_url TEXT NOT NULL, \
               title TEXT, is_active BOOLEAN NOT NULL, created_at TIMESTAMPTZ NOT NULL, \
               updated_at TIMESTAMPTZ NOT NULL, disabled_reason TEXT); \
               CREATE TEMP TABLE import_events (nth BIGINT NOT NULL, id BIGINT, url_id BIGINT NOT NULL, \
               user_id BIGINT, event_type TEXT COLLATE \"C\" NOT NULL, timestamp TIMESTAMPTZ NOT NULL, \
               details TEXT NOT NULL); \
               CREATE TEMP TABLE import_slots (subject BIGINT NOT NULL, slot BIGINT NOT NULL, people BIGINT NOT NULL, \
               bots BIGINT NOT NULL); \
               CREATE TEMP TABLE import_totals (url_id BIGINT NOT NULL, user_id BIGINT, clicks BIGINT NOT NULL, \
               bots BIGINT NOT NULL); \
               CREATE TEMP TABLE import_values (subject BIGINT NOT NULL, day BIGINT NOT NULL, \
               dimension BIGINT NOT NULL, value TEXT COLLATE \"C\" NOT NULL, clicks BIGINT NOT NULL)",
    sqlite: "CREATE TEMP TABLE import_users (nth INTEGER PRIMARY KEY, id BIGINT, username TEXT, email TEXT, \
             created_at TEXT); \
             CREATE TEMP TABLE import_claims (row_id INTEGER PRIMARY KEY, username TEXT NOT NULL, \
             user_id BIGINT NOT NULL); \
             CREATE TEMP TABLE import_codes (nth INTEGER PRIMARY KEY, short_code TEXT NOT NULL, \
             retired_at TEXT NOT NULL); \
             CREATE TEMP TABLE import_urls (nth INTEGER PRIMARY KEY, id BIGINT, user_id BIGINT NOT NULL, \
             short_code TEXT NOT NULL, is_chosen BOOLEAN NOT NULL, original_url TEXT NOT NULL, title TEXT, \
             is_active BOOLEAN NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, disabled_reason TEXT); \
             CREATE TEMP TABLE import_events (nth INTEGER PRIMARY KEY, id BIGINT, url_id BIGINT NOT NULL, \
             user_id BIGINT, event_type TEXT NOT NULL, timestamp TEXT NOT NULL, details TEXT NOT NULL); \
             CREATE TEMP TABLE import_slots (subject BIGINT NOT NULL, slot BIGINT NOT NULL, people BIGINT NOT NULL, \
             bots BIGINT NOT NULL); \
             CREATE TEMP TABLE import_totals (url_id BIGINT NOT NULL, user_id BIGINT, clicks BIGINT NOT NULL, \
             bots BIGINT NOT NULL); \
             CREATE TEMP TABLE import_values (subject BIGINT NOT NULL, day BIGINT NOT NULL, \
             dimension BIGINT NOT NULL, value TEXT NOT NULL, clicks BIGINT NOT NULL)",
};
