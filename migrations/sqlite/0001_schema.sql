-- The whole schema on SQLite, which compares text byte by byte, and times as text: the program writes both in one form.

-- Ids end at 2^53 - 1, the largest that every JSON reader holds exactly: what cannot be named is not kept.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT CONSTRAINT id_can_be_named CHECK (id <= 9007199254740991),
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
);
CREATE INDEX users_by_time ON users (created_at, id);

-- `disabled_reason`: if set, the link leads nowhere, whatever its owner says.
CREATE TABLE urls (
    id INTEGER PRIMARY KEY AUTOINCREMENT CONSTRAINT id_can_be_named CHECK (id <= 9007199254740991),
    user_id BIGINT NOT NULL REFERENCES users (id),
    short_code TEXT NOT NULL UNIQUE,
    original_url TEXT NOT NULL,
    title TEXT,
    is_active BOOLEAN NOT NULL,
    disabled_reason TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX urls_by_user ON urls (user_id, id);
CREATE INDEX urls_by_state ON urls (is_active, id);
CREATE INDEX urls_by_time ON urls (created_at, id);

-- Every code that a link has or had, reserved before its link and kept for ever: a used code is refused by the key.
-- `retired_at` is when its link was deleted.
CREATE TABLE codes (
    short_code TEXT PRIMARY KEY,
    retired_at TEXT
) WITHOUT ROWID;

-- API keys. The key itself is not stored: `prefix` finds its row, `digest` (SHA-256, hexadecimal) proves it.
-- `made_by` is the key that created this one, null for the administrator: revoking a key revokes what it created.
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT CONSTRAINT id_can_be_named CHECK (id <= 9007199254740991),
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    made_by BIGINT,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    last_used_at TEXT
);
CREATE INDEX api_keys_by_user ON api_keys (user_id, id);
CREATE INDEX api_keys_by_maker ON api_keys (made_by) WHERE made_by IS NOT NULL;

-- Answers to POSTs that carried an Idempotency-Key, kept for 24 hours.
CREATE TABLE idempotency_keys (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- The ledger of events. No foreign keys: events outlive the links and users that they name.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT CONSTRAINT id_can_be_named CHECK (id <= 9007199254740991),
    url_id BIGINT NOT NULL,
    user_id BIGINT,
    event_type TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    details TEXT NOT NULL
);
-- Each filter of the list of events alone, and two together, walk over one range of one index. Those that leave clicks out
-- cost the writer of clicks nothing.
CREATE INDEX events_by_url ON events (url_id, id);
CREATE INDEX events_by_url_and_type ON events (url_id, event_type, id) WHERE event_type <> 'click';
CREATE INDEX events_by_user ON events (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_user_and_type ON events (user_id, event_type, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_user_and_url ON events (user_id, url_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_type ON events (event_type, id) WHERE event_type <> 'click';
-- Clicks by id alone: ids come in order, so new entries always go to the end of the index.
CREATE INDEX clicks_by_id ON events (id) WHERE event_type = 'click';
-- The clicks of a day, for retention and reconciliation. The type comes first, though it is always the same: SQLite would
-- take the index by type alone otherwise.
CREATE INDEX clicks_by_time ON events (event_type, timestamp) WHERE event_type = 'click';

-- Receipts of stored batches of clicks. The receipt is written first, in the batch's own transaction: if the connection
-- breaks between COMMIT and its answer, a second try of the batch finds its receipt and does nothing.
CREATE TABLE click_batches (
    id TEXT PRIMARY KEY,
    stored_at TEXT NOT NULL
);
CREATE INDEX click_batches_by_age ON click_batches (stored_at);

-- The rollups: what clicks add up to, changed in the transactions that store them, so that no statistic counts events.
--
-- `subject`: a link (its id), all links of a user (minus the user's id), or all links (0).
-- `day`: days since 1970-01-01 in UTC. `slot`: quarters of an hour since then; every zone in use is off by whole quarters.
-- A writer locks the row of a subject's day first, in the order of the keys.
CREATE TABLE click_days (
    subject BIGINT NOT NULL,
    day BIGINT NOT NULL,
    people BIGINT NOT NULL,
    bots BIGINT NOT NULL,
    uniques BIGINT NOT NULL,
    PRIMARY KEY (subject, day)
) WITHOUT ROWID;
-- Which days have rollups, of all subjects, for reconciliation.
CREATE INDEX click_days_by_day ON click_days (day, subject);

CREATE TABLE click_slots (
    subject BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    people BIGINT NOT NULL,
    bots BIGINT NOT NULL,
    PRIMARY KEY (subject, slot)
) WITHOUT ROWID;

-- Clicks of people by their properties. `dimension`: 1 referrer, 2 country, 3 browser, 4 os, 5 device, 6 language.
CREATE TABLE click_values (
    subject BIGINT NOT NULL,
    day BIGINT NOT NULL,
    dimension SMALLINT NOT NULL,
    value TEXT NOT NULL,
    clicks BIGINT NOT NULL,
    PRIMARY KEY (subject, day, dimension, value)
) WITHOUT ROWID;

-- Each link's clicks of all times, bots included in `clicks`. A link has its row from the beginning, and the row outlives
-- it; `user_id` is the owner, null if the link was gone before its clicks were stored.
CREATE TABLE click_totals (
    url_id INTEGER PRIMARY KEY,
    user_id BIGINT,
    clicks BIGINT NOT NULL,
    bots BIGINT NOT NULL
);
CREATE INDEX click_totals_by_clicks ON click_totals (clicks, url_id);

-- Unused here, since a batch adds to the rollups immediately. It keeps the schemas alike.
CREATE TABLE click_pending (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stored_at TEXT NOT NULL,
    size INTEGER NOT NULL,
    sums TEXT NOT NULL
);

-- Visitors of a day, as a keyed hash under that day's salt; both are deleted when the day is two days past.
CREATE TABLE visitors (
    day BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    visitor BIGINT NOT NULL,
    PRIMARY KEY (day, subject, visitor)
) WITHOUT ROWID;
CREATE TABLE visitor_salts (
    day INTEGER PRIMARY KEY,
    salt TEXT NOT NULL
);

-- `kept_since_day`: click events of earlier days may have been deleted; their rollups stay.
CREATE TABLE click_state (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Unused here, since one process has the embedded database. It keeps the schemas alike.
CREATE TABLE replicas (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    totals TEXT NOT NULL
);

-- The token buckets of users. `full_at` is when a bucket will be full again, in microseconds since 1970.
CREATE TABLE rate_limits (
    policy TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    full_at BIGINT NOT NULL,
    PRIMARY KEY (policy, user_id)
) WITHOUT ROWID;
