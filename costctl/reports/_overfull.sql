-- Machines of which a source says that more chips were in some state at one time than they have, by the machine that the bill names.
-- Grain: one row per source and resource, with the most chips at one time and the first moment of it.
WITH told AS (
    SELECT source, resource_id, ts_start, ts_end, chips
    FROM accelerator_usage
    WHERE resource_id IS NOT NULL AND ts_start < CAST($end AS TIMESTAMP) AND ts_end > CAST($start AS TIMESTAMP)
),

held AS (
    SELECT c.ResourceId AS resource_id, MAX(CAST(CAST(m.chips_numerator AS DECIMAL(18, 0)) * 1000000 AS DECIMAL(38, 0))) AS millionths, MAX(m.chips_denominator) AS parts
    FROM charges AS c
    INNER JOIN (SELECT DISTINCT resource_id FROM told) AS t ON t.resource_id = c.ResourceId
    LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
    INNER JOIN machines AS m ON m.provider = COALESCE(p.provider, LOWER(c.ProviderName)) AND m.name = LOWER(TRIM(c.x_machine))
    WHERE c.x_machine IS NOT NULL
    GROUP BY c.ResourceId
    HAVING COUNT(DISTINCT m.machine) = 1
),

moments AS (
    SELECT source, resource_id, ts_start AS moment, CAST(chips AS DECIMAL(38, 6)) AS change FROM told WHERE resource_id IN (SELECT resource_id FROM held)
    UNION ALL
    SELECT source, resource_id, ts_end, CAST(-chips AS DECIMAL(38, 6)) FROM told WHERE resource_id IN (SELECT resource_id FROM held)
),

changes AS (SELECT source, resource_id, moment, SUM(change) AS change FROM moments GROUP BY source, resource_id, moment),

levels AS (
    SELECT source, resource_id, moment, SUM(change) OVER (PARTITION BY source, resource_id ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS chips
    FROM changes
)

SELECT l.source, l.resource_id, MAX(l.chips) AS chips, MIN(l.moment) AS moment, MAX(h.millionths) AS millionths, MAX(h.parts) AS parts
FROM levels AS l
INNER JOIN held AS h ON h.resource_id = l.resource_id
WHERE CAST(CAST(l.chips * 1000000 AS DECIMAL(24, 0)) AS DECIMAL(38, 0)) * h.parts > h.millionths
GROUP BY l.source, l.resource_id
ORDER BY l.source, l.resource_id
