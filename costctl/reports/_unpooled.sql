-- Chip time that reaches no pool: it names none and no pool's `chips:` names it, or the pool that it names is not in the configuration.
-- Grain: one row per source and pool named, with its chip-seconds in millionths and one place of it.
SELECT
    a.source, a.pool, MIN(a.cluster) AS cluster, MIN(a.namespace) AS namespace, MIN(a.resource_id) AS resource_id,
    SUM(CAST(CAST(a.chips * 1000000 AS DECIMAL(24, 0)) AS DECIMAL(38, 0))
        * DATE_DIFF('second', GREATEST(a.ts_start, CAST($start AS TIMESTAMP)), LEAST(a.ts_end, CAST($end AS TIMESTAMP)))) AS weight
FROM accelerator_usage AS a
LEFT JOIN pools AS p ON p.pool = a.pool
LEFT JOIN pool_chips AS c
    ON a.pool IS NULL AND is_named(CASE c.field WHEN 'resource' THEN a.resource_id WHEN 'namespace' THEN a.namespace WHEN 'cluster' THEN a.cluster END, c.value)
WHERE a.ts_start < CAST($end AS TIMESTAMP) AND a.ts_end > CAST($start AS TIMESTAMP) AND p.pool IS NULL AND c.pool IS NULL
GROUP BY a.source, a.pool
ORDER BY a.source, a.pool
