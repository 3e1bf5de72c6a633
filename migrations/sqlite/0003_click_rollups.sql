-- What clicks add up to, kept in the transactions that store them, so that no statistic ever counts events.
--
-- `subject` says whose clicks a row counts: a link's (its id), a user's links' together (minus the user's id), or all (0).
-- `day` is days since 1970-01-01 in UTC, `slot` quarters of an hour since then: every zone in use is off by whole quarters.
--
-- The row of a subject's day is locked first by whoever changes anything of that subject and day, in the order of the keys.
CREATE TABLE click_days (
    subject BIGINT NOT NULL,
    day BIGINT NOT NULL,
    people BIGINT NOT NULL,
    bots BIGINT NOT NULL,
    uniques BIGINT NOT NULL,
    PRIMARY KEY (subject, day)
) WITHOUT ROWID;

CREATE TABLE click_slots (
    subject BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    people BIGINT NOT NULL,
    bots BIGINT NOT NULL,
    PRIMARY KEY (subject, slot)
) WITHOUT ROWID;

-- Clicks of people by what is known of them. `dimension`: 1 referrer, 2 country, 3 browser, 4 os, 5 device, 6 language.
CREATE TABLE click_values (
    subject BIGINT NOT NULL,
    day BIGINT NOT NULL,
    dimension SMALLINT NOT NULL,
    value TEXT NOT NULL,
    clicks BIGINT NOT NULL,
    PRIMARY KEY (subject, day, dimension, value)
) WITHOUT ROWID;

-- Each link's clicks of all times, bots included in `clicks`. The row outlives its link; `user_id` is the owner, null where
-- the link was gone before its clicks came in.
CREATE TABLE click_totals (
    url_id INTEGER PRIMARY KEY,
    user_id BIGINT,
    clicks BIGINT NOT NULL,
    bots BIGINT NOT NULL
);
CREATE INDEX click_totals_by_clicks ON click_totals (clicks, url_id);

-- Who was seen on a day, as a keyed hash under that day's salt; both are deleted when the day is two days past.
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

-- `kept_since_day`: click events of earlier days may have been deleted, their rollups stay.
-- `rolled_up`: 1 where the rollups hold the clicks that were stored before there were any.
CREATE TABLE click_state (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO click_state (name, value)
SELECT 'rolled_up', CASE WHEN EXISTS (SELECT 1 FROM events WHERE event_type = 'click') THEN 0 ELSE 1 END;
INSERT INTO click_totals (url_id, user_id, clicks, bots) SELECT id, user_id, 0, 0 FROM urls;
