-- $1 owner, $2 code, $3 target, $4 title, $5 now, $6 details of the event, $7 channel, $8 announcement or null.
-- No row: the code is or was another link's.
WITH code AS (
    INSERT INTO codes (short_code)
    VALUES ($2)
    ON CONFLICT DO NOTHING
    RETURNING short_code
),
url AS (
    INSERT INTO urls (user_id, short_code, original_url, title, is_active, created_at, updated_at)
    SELECT $1::bigint, short_code, $3::text, $4::text, TRUE, $5::timestamptz, $5::timestamptz
    FROM code
    RETURNING id, user_id
),
event AS (
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT id, user_id, 'created', $5::timestamptz, $6::text
    FROM url
),
total AS (
    INSERT INTO click_totals (url_id, user_id, clicks, bots)
    SELECT id, user_id, 0, 0
    FROM url
    ON CONFLICT DO NOTHING
)
SELECT id, CASE WHEN $8::text IS NOT NULL THEN pg_notify($7, $8)::text END
FROM url
