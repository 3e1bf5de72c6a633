-- $1 id, $2 the owner or null for any, $3 now, $4 details of the event, $5 channel, $6 announcement, in which `*`
-- stands for the code. No row: there is no such link.
WITH url AS (
    DELETE FROM urls
    WHERE id = $1 AND user_id = coalesce($2::bigint, user_id)
    RETURNING id, user_id, short_code
),
code AS (
    UPDATE codes
    SET retired_at = $3::timestamptz
    FROM url
    WHERE codes.short_code = url.short_code
),
event AS (
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT id, user_id, 'deleted', $3::timestamptz, $4::text
    FROM url
)
SELECT short_code, pg_notify($5, replace($6, '*', short_code))::text
FROM url
