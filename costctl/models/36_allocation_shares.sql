-- Who takes which part of a pool's slot: weight of total, kept so that a share can be explained and frozen.
-- Grain: one row per pool, slot, share_key, team, model, purpose and method. Weights of one (pool, slot, share_key) sum to total;
-- of bought tokens, those on the bill that no source counted have a share of method `not counted` and no team.
-- Empty without: state_cells
-- Keep: yes
WITH wanted AS (
    SELECT DISTINCT c.pool, c.slot_start, c.slot_end, c.share_key, c.state_model
    FROM state_cells AS c
    WHERE c.share_key IS NOT NULL
),

billed AS (
    SELECT pool, slot_start, slot_end, CONCAT('api|', provider, '|', api_model, '|', COALESCE(api_class, '~')) AS share_key, model, SUM(billed_tokens) AS tokens
    FROM pool_cells
    WHERE pool = 'api' AND billed_tokens > 0
    GROUP BY ALL
),

based AS (
    SELECT
        w.pool, w.slot_start, w.slot_end, w.share_key,
        CASE WHEN w.share_key LIKE 'models|%' THEN p.idle_owner ELSE b.team END AS team, b.model,
        CASE WHEN w.share_key LIKE 'models|%' THEN 'unknown' ELSE b.purpose END AS purpose,
        b.method, SUM(b.weight) AS weight
    FROM wanted AS w
    INNER JOIN allocation_bases AS b ON b.pool = w.pool
        AND b.day >= CAST(w.slot_start AS DATE) AND CAST(b.day AS TIMESTAMP) < w.slot_end
        AND (b.api_key = w.share_key OR (b.api_key IS NULL AND (w.state_model IS NULL OR w.state_model = b.model)))
    LEFT JOIN pools AS p ON p.pool = w.pool
    GROUP BY ALL
    UNION ALL
    SELECT w.pool, w.slot_start, w.slot_end, w.share_key, f.team, COALESCE(w.state_model, 'unknown'), 'unknown', 'fixed',
        CAST(f.share * 1000000 AS DECIMAL(38, 0))
    FROM wanted AS w
    INNER JOIN pool_fixed AS f ON f.pool = w.pool
    WHERE w.share_key LIKE 'teams|%'
),

counted AS (
    SELECT pool, slot_start, slot_end, share_key, SUM(weight) AS tokens
    FROM based
    GROUP BY pool, slot_start, slot_end, share_key
),

whole AS (
    SELECT pool, slot_start, slot_end, share_key, team, model, purpose, method, weight
    FROM based
    UNION ALL
    SELECT b.pool, b.slot_start, b.slot_end, b.share_key, CAST(NULL AS VARCHAR), b.model, 'unknown', 'not counted', b.tokens - c.tokens
    FROM billed AS b
    INNER JOIN counted AS c ON c.pool = b.pool AND c.slot_start = b.slot_start AND c.slot_end = b.slot_end AND c.share_key = b.share_key
)

SELECT
    $billing_period AS billing_period, pool, slot_start, slot_end, share_key, team, model, purpose, method, weight,
    SUM(weight) OVER (PARTITION BY pool, slot_start, slot_end, share_key) AS total
FROM whole
WHERE weight > 0
