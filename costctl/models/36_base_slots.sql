-- The time that pools count their bases in: the days that the period needs, and each of their hours where a pool is split by hours.
-- Grain: one row per grain of a pool and slot.
-- Empty without: pools
SELECT p.grain, CAST(d.day AS TIMESTAMP) AS slot_start, CAST(CAST(d.day AS TIMESTAMP) + INTERVAL 1 DAY AS TIMESTAMP) AS slot_end
FROM calendar AS d
INNER JOIN usage_span AS s ON s.first_day <= d.day AND d.day < s.end_day
CROSS JOIN (SELECT DISTINCT grain FROM pools WHERE grain <> 'hour') AS p
UNION ALL
SELECT h.grain, CAST(h.moment AS TIMESTAMP), CAST(h.moment + INTERVAL 1 HOUR AS TIMESTAMP)
FROM (
    SELECT p.grain, m.moment
    FROM (SELECT DISTINCT grain FROM pools WHERE grain = 'hour') AS p
    CROSS JOIN usage_span AS s, UNNEST(GENERATE_SERIES(CAST(s.first_day AS TIMESTAMP), CAST(s.end_day AS TIMESTAMP), INTERVAL 1 HOUR)) AS m(moment)
    WHERE m.moment < CAST(s.end_day AS TIMESTAMP)
) AS h
