-- The types and collations are those of the tables that the rows are compared with. Comparing with no row of theirs
-- keeps the tables empty.
CREATE TEMP TABLE import_users AS
SELECT CAST(0 AS BIGINT) AS nth, id, username, email, created_at
FROM users
WHERE FALSE;

CREATE TEMP TABLE import_claims AS
SELECT id AS row_id, username, id AS user_id
FROM users
WHERE FALSE;

CREATE UNIQUE INDEX import_claims_row_id ON import_claims (row_id);

CREATE TEMP TABLE import_codes AS
SELECT CAST(0 AS BIGINT) AS nth, short_code, retired_at
FROM codes
WHERE FALSE;

CREATE TEMP TABLE import_urls AS
SELECT
    CAST(0 AS BIGINT) AS nth,
    id,
    user_id,
    short_code,
    original_url,
    title,
    is_active,
    created_at,
    updated_at,
    disabled_reason,
    is_active AS is_chosen,
    is_active AS is_reserved
FROM urls
WHERE FALSE;

CREATE INDEX import_urls_short_code ON import_urls (short_code);

CREATE TEMP TABLE import_events AS
SELECT CAST(0 AS BIGINT) AS nth, id, url_id, user_id, event_type, timestamp, details
FROM events
WHERE FALSE;

CREATE TEMP TABLE import_slots AS
SELECT subject, slot, people, bots
FROM click_slots
WHERE FALSE;

CREATE TEMP TABLE import_totals AS
SELECT url_id, user_id, clicks, bots
FROM click_totals
WHERE FALSE;

CREATE TEMP TABLE import_values AS
SELECT subject, day, CAST(dimension AS BIGINT) AS dimension, value, clicks
FROM click_values
WHERE FALSE
