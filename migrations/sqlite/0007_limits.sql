-- What is left of the budgets that replicas share: unused here, since one process has the embedded database. It keeps the schemas
-- alike.
CREATE TABLE limit_pots (
    policy SMALLINT NOT NULL,
    subject TEXT NOT NULL,
    full_at TEXT NOT NULL,
    PRIMARY KEY (policy, subject)
) WITHOUT ROWID;

CREATE TABLE limit_salts (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    salt TEXT NOT NULL
);
