-- Tokens that went over from capacity bought by the unit and were bought one by one, with the pool that they left.
-- Grain: one row per day, pool, provider, name as bought and token class as billed; requests stand on rows of class '-'. Of the evidence role that drives money only.
-- Empty without: pool_capacity
WITH spilled AS (
    SELECT n.day, k.pool, n.provider, n.bought_model, n.requests, n.delivery_id, n.file_no, n.record_no, n.part_no
    FROM named_usage AS n
    LEFT JOIN pool_tokens AS d ON d.field = 'deployment' AND d.value = n.deployment
    LEFT JOIN pool_tokens AS s ON s.field = 'namespace' AND s.value = n.namespace
    INNER JOIN pool_capacity AS k ON k.pool = COALESCE(n.pool_raw, d.pool, s.pool)
    WHERE n.drives AND n.spilled
)

SELECT
    s.day, s.pool, s.provider, s.bought_model,
    CASE
        WHEN q.token_class LIKE 'output%' THEN 'output'
        WHEN q.token_class LIKE 'input.cache_write%' THEN 'cache_write'
        WHEN q.token_class = 'input.cache_read' THEN 'cache_read'
        ELSE 'input'
    END AS token_class,
    SUM(CAST(q.tokens AS DECIMAL(38, 0))) AS tokens, CAST(NULL AS DECIMAL(38, 0)) AS requests
FROM spilled AS s
INNER JOIN token_quantity AS q ON q.delivery_id = s.delivery_id AND q.file_no = s.file_no AND q.record_no = s.record_no AND q.part_no = s.part_no
GROUP BY ALL
UNION ALL
SELECT day, pool, provider, bought_model, '-', CAST(0 AS DECIMAL(38, 0)), SUM(CAST(requests AS DECIMAL(38, 0)))
FROM spilled
GROUP BY ALL
