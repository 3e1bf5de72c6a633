-- The first six parameters are those of the token; none is taken if $1 is null. $7 owner, $8 code, $9 target, $10
-- title, $11 now, $12 details of the event, $13 channel, $14 announcement or null, $15 idempotency key or null,
-- $16 fingerprint of its request, $17 its answer with 0 for the id, $18 expiry of earlier answers. One row: when the
-- bucket is full again, and the id. No id: the code is or was another link's, or a token was needed and there is none.
code AS (
    INSERT INTO codes (short_code)
    SELECT $8::text
    WHERE $1::text IS NULL OR EXISTS (SELECT FROM token)
    ON CONFLICT DO NOTHING
    RETURNING short_code
),
url AS (
    INSERT INTO urls (user_id, short_code, original_url, title, is_active, created_at, updated_at)
    SELECT $7::bigint, short_code, $9::text, $10::text, TRUE, $11::timestamptz, $11::timestamptz
    FROM code
    RETURNING id, user_id
),
event AS (
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT id, user_id, 'created', $11::timestamptz, $12::text
    FROM url
),
total AS (
    INSERT INTO click_totals (url_id, user_id, clicks, bots)
    SELECT id, user_id, 0, 0
    FROM url
    ON CONFLICT DO NOTHING
),
answer AS (
    INSERT INTO idempotency_keys AS kept (key, fingerprint, status, body, created_at)
    SELECT $15::text, $16::text, 201, replace($17::text, '"id":0,', '"id":' || id || ','), $11::timestamptz
    FROM url
    WHERE $15::text IS NOT NULL
    ON CONFLICT (key) DO UPDATE
    -- A null, which the column refuses, undoes the whole statement if the key was answered since it was claimed.
    SET fingerprint = CASE WHEN kept.created_at <= $18::timestamptz THEN excluded.fingerprint END,
        status = excluded.status,
        body = excluded.body,
        created_at = excluded.created_at
)
SELECT
    (SELECT full_at FROM token) AS full_at,
    url.id,
    CASE WHEN $14::text IS NOT NULL AND url.id IS NOT NULL THEN pg_notify($13, $14)::text END
FROM (SELECT 1) one
LEFT JOIN url ON TRUE
