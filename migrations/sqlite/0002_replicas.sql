-- Who is at work on this database: unused here, since one process has the embedded database. It keeps the schemas alike.
CREATE TABLE replicas (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    totals TEXT NOT NULL
);

-- Batches of clicks that are in: the receipt is written first, in the batch's own transaction.
CREATE TABLE click_batches (
    id TEXT PRIMARY KEY,
    stored_at TEXT NOT NULL
);
CREATE INDEX click_batches_by_age ON click_batches (stored_at);
