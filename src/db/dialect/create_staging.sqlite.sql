CREATE TEMP TABLE import_users (
    nth INTEGER PRIMARY KEY,
    id BIGINT,
    username TEXT,
    email TEXT,
    created_at TEXT
);
CREATE TEMP TABLE import_claims (
    row_id INTEGER PRIMARY KEY,
    username TEXT NOT NULL,
    user_id BIGINT NOT NULL
);
CREATE TEMP TABLE import_codes (
    nth INTEGER PRIMARY KEY,
    short_code TEXT NOT NULL,
    retired_at TEXT NOT NULL
);
CREATE TEMP TABLE import_urls (
    nth INTEGER PRIMARY KEY,
    id BIGINT,
    user_id BIGINT NOT NULL,
    short_code TEXT NOT NULL,
    original_url TEXT NOT NULL,
    title TEXT,
    is_active BOOLEAN NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    disabled_reason TEXT,
    is_chosen BOOLEAN NOT NULL,
    is_reserved BOOLEAN NOT NULL
);
CREATE TEMP TABLE import_events (
    nth INTEGER PRIMARY KEY,
    id BIGINT,
    url_id BIGINT NOT NULL,
    user_id BIGINT,
    event_type TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE TEMP TABLE import_slots (
    subject BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    people BIGINT NOT NULL,
    bots BIGINT NOT NULL
);
CREATE TEMP TABLE import_totals (
    url_id BIGINT NOT NULL,
    user_id BIGINT,
    clicks BIGINT NOT NULL,
    bots BIGINT NOT NULL
);
CREATE TEMP TABLE import_values (
    subject BIGINT NOT NULL,
    day BIGINT NOT NULL,
    dimension BIGINT NOT NULL,
    value TEXT NOT NULL,
    clicks BIGINT NOT NULL
)
