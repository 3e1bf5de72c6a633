-- What is left of the budgets that replicas share, see src/limits.rs: a row for each client that used a budget lately, under a
-- keyed hash of who it is. Unlogged: it says what is, not what was; a row that is gone means that all is left.
--
-- `full_at` is when the pot, which fills by itself, will be full again. A row past that says nothing and is deleted.
CREATE UNLOGGED TABLE limit_pots (
    policy SMALLINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    full_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (policy, subject)
) WITH (fillfactor = 50);

-- The key of these hashes, in hexadecimal digits: the first replica that finds none makes one.
CREATE TABLE limit_salts (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    salt TEXT NOT NULL
);
