SELECT
    coalesce(t.url_id, d.subject) AS url_id,
    coalesce(t.clicks - t.bots, 0),
    coalesce(t.bots, 0),
    coalesce(d.people, 0),
    coalesce(d.bots, 0)
FROM click_totals t
FULL JOIN (
    SELECT subject, CAST(sum(people) AS BIGINT) AS people, CAST(sum(bots) AS BIGINT) AS bots
    FROM click_days
    WHERE subject > 0
    GROUP BY subject
) d ON d.subject = t.url_id
WHERE coalesce(t.clicks - t.bots, 0) <> coalesce(d.people, 0)
OR coalesce(t.bots, 0) <> coalesce(d.bots, 0)
ORDER BY 1
