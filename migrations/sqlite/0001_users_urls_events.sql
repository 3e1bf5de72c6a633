-- SQLite compares text byte by byte and times as text: both are written by the program in one form.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
);

CREATE TABLE urls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    short_code TEXT NOT NULL UNIQUE,
    original_url TEXT NOT NULL,
    title TEXT,
    is_active BOOLEAN NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX urls_by_user ON urls (user_id, id);
CREATE INDEX urls_by_state ON urls (is_active, id);

-- A code once used is never given to another link: the codes of deleted links stay here.
CREATE TABLE retired_codes (
    short_code TEXT PRIMARY KEY,
    retired_at TEXT NOT NULL
);

-- No foreign keys: events outlive the links and users that they name.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    url_id BIGINT NOT NULL,
    user_id BIGINT,
    event_type TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX events_by_url ON events (url_id, id);
CREATE INDEX events_by_user ON events (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX events_by_type ON events (event_type, id);

-- Answers to POSTs that carried an Idempotency-Key, kept for 24 hours.
CREATE TABLE idempotency_keys (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
