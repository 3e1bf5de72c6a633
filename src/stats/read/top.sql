SELECT dimension, shown, CAST(sum(clicks) AS BIGINT) AS clicks
FROM (
    SELECT
        dimension,
        clicks,
        CASE
            WHEN value <> 'other' AND row_number() OVER (
                PARTITION BY dimension
                ORDER BY CASE WHEN value = 'other' THEN 1 ELSE 0 END, clicks DESC, value
            ) <= $4 THEN value
            ELSE 'other'
        END AS shown
    FROM (
        SELECT CAST(dimension AS BIGINT) AS dimension, value, CAST(sum(clicks) AS BIGINT) AS clicks
        FROM click_values
        WHERE subject = $1
        AND day >= $2
        AND day < $3
        GROUP BY dimension, value
    ) sums
) ranked
GROUP BY dimension, shown
