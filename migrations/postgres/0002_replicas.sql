-- Who is at work on this database. Unlogged: it says what is, not what was, and is written every second.
CREATE UNLOGGED TABLE replicas (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    totals TEXT NOT NULL
);

-- Batches of clicks that are in: the receipt is written first, in the batch's own transaction. Where the connection
-- breaks between COMMIT and its answer, a second try of the same batch finds its receipt and does nothing.
CREATE TABLE click_batches (
    id TEXT COLLATE "C" PRIMARY KEY,
    stored_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX click_batches_by_age ON click_batches (stored_at);
