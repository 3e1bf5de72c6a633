-- $1 id, $2 when the link was last changed, $3 to $7 its fields from now on, $8 details of the events, $9 channel,
-- $10 announcement or null. No row: it was changed or deleted since.
WITH url AS (
    UPDATE urls
    SET original_url = $3,
        title = $4,
        is_active = $5,
        disabled_reason = $6,
        updated_at = $7
    WHERE id = $1 AND updated_at = $2
    RETURNING id, user_id, updated_at
),
event AS (
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    SELECT url.id, url.user_id, 'updated', url.updated_at, note.details
    FROM url, unnest($8::text[]) WITH ORDINALITY AS note (details, nth)
    ORDER BY note.nth
)
SELECT id, CASE WHEN $10::text IS NOT NULL THEN pg_notify($9, $10)::text END
FROM url
