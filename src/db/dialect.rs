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
    /// The wording for this database.
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

macro_rules! take_token {
    () => {
        r"
    INSERT INTO rate_limits AS bucket (policy, user_id, full_at)
    SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT) + CAST($4 AS BIGINT)
    WHERE CAST($1 AS TEXT) IS NOT NULL
    ON CONFLICT (policy, user_id) DO UPDATE
    SET full_at = CASE WHEN bucket.full_at BETWEEN $3 AND $6 THEN bucket.full_at ELSE $3 END + $4
    WHERE bucket.full_at + $4 <= CAST($5 AS BIGINT)
    OR bucket.full_at > CAST($6 AS BIGINT)
    RETURNING full_at"
    };
}

/// Takes a token out of the bucket of the policy `$1` and the user `$2`: no row comes back, and none is written, if
/// there is none. `$3` is now, `$4` the time that brings a token, `$5` when a bucket that is empty now would be full.
/// A later moment than `$6` is no bucket's: the clock was set back, or the limit was lowered. It begins anew.
pub const TAKE_TOKEN: &str = take_token!();

/// Creates a link, changes one, deletes one: each a statement that writes to several tables, which SQLite does not
/// have.
pub const CREATE_URL: &str =
    concat!("WITH token AS (", take_token!(), "\n),\n", include_str!("dialect/create_url.sql"));
/// See [`CREATE_URL`].
pub const CHANGE_URL: &str = include_str!("dialect/change_url.sql");
/// See [`CREATE_URL`].
pub const DELETE_URL: &str = include_str!("dialect/delete_url.sql");

/// What only PostgreSQL understands.
pub(crate) const POSTGRES_STATEMENTS: &[&str] = &[CREATE_URL, CHANGE_URL, DELETE_URL];

/// Keeps others from giving a link to a user that is about to be deleted. SQLite has no row locks: a transaction that
/// writes has the whole database.
pub const USER_TO_DELETE: Sql =
    Sql { postgres: "SELECT id FROM users WHERE id = $1 FOR UPDATE", sqlite: "SELECT id FROM users WHERE id = $1" };

/// Reads the first `$2` links of a user that are about to be deleted, and keeps others from changing them; the reason
/// is that of [`USER_TO_DELETE`].
pub const URLS_TO_DELETE: Sql = Sql {
    postgres: "SELECT id, short_code FROM urls WHERE user_id = $1 ORDER BY id LIMIT $2 FOR UPDATE",
    sqlite: "SELECT id, short_code FROM urls WHERE user_id = $1 ORDER BY id LIMIT $2",
};

/// Reads a key that is about to be revoked or to make another; the reason is that of [`USER_TO_DELETE`].
pub const KEY_TO_CHANGE: Sql = Sql {
    postgres: "SELECT user_id, revoked_at FROM api_keys WHERE id = $1 FOR UPDATE",
    sqlite: "SELECT user_id, revoked_at FROM api_keys WHERE id = $1",
};

/// Keeps others from adding clicks until the transaction ends. SQLite has one writer.
pub const LOCK_ROLLUPS: Sql = Sql { postgres: "LOCK TABLE click_days IN SHARE ROW EXCLUSIVE MODE", sqlite: "SELECT 1" };

/// Whether this transaction is the only one at work on a key. SQLite has one writer: the caller.
pub const TRY_LOCK_KEY: Sql = Sql { postgres: "SELECT pg_try_advisory_xact_lock($1)", sqlite: "SELECT $1 IS NOT NULL" };

/// Claims the lock `$1` of an `Idempotency-Key` and reads the answer that was recorded for the key `$2` after `$3`.
/// SQLite has one writer: the transaction that asks is it.
pub const CLAIM_KEY: Sql = Sql {
    postgres: r"
        SELECT pg_try_advisory_xact_lock($1) AS is_free, r.fingerprint, r.status, r.body
        FROM (SELECT 1) one
        LEFT JOIN idempotency_keys r ON r.key = $2 AND r.created_at > $3
    ",
    sqlite: r"
        SELECT $1 IS NOT NULL AS is_free, r.fingerprint, r.status, r.body
        FROM (SELECT 1) one
        LEFT JOIN idempotency_keys r ON r.key = $2 AND r.created_at > $3
    ",
};

/// Takes a shared lock on a key, which excludes an exclusive one, until the transaction ends. SQLite has one writer.
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

/// Every statement of this module, but for those on temporary tables: they can be prepared only with their tables.
pub(crate) const STATEMENTS: &[Sql] = &[
    PRUNE_CLICKS,
    NEXT_CLICK,
    CLICKS_OF_DAY,
    USER_TO_DELETE,
    URLS_TO_DELETE,
    TRY_LOCK_KEY,
    CLAIM_KEY,
    SHARE_KEY,
    SCHEMA_VERSION,
    RESERVE_IDS,
    BEGIN_SEQUENCES,
];

/// The temporary tables of [`crate::store::bulk`]: a chunk of each kind, and `import_claims`, which notes for each id
/// of a user's row for whom it stands.
pub(crate) const CREATE_STAGING: &str = include_str!("dialect/create_staging.sql");
