-- Who takes which part of a pool's slot: weight of total, kept so that a share can be explained and frozen.
-- Grain: one row per pool, slot, share_key, team, model and purpose. Weights of one (pool, slot, share_key) sum to total.
-- Keep: yes
WITH wanted AS (
    SELECT DISTINCT c.pool, c.slot_start, c.slot_end, c.share_key, c.state_model
    FROM state_cells AS c
    WHERE c.share_key IS NOT NULL
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
)

SELECT
    $billing_period AS billing_period, pool, slot_start, slot_end, share_key, team, model, purpose, method, weight,
    SUM(weight) OVER (PARTITION BY pool, slot_start, slot_end, share_key) AS total
FROM based
WHERE weight > 0
