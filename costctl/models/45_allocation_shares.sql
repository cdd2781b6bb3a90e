-- Who takes which part of a pool's slot: weight of total, kept so that a share can be explained and frozen.
-- Grain: one row per pool, slot, share_key, team, pool that it is passed on to, model, purpose and method. Weights of one (pool, slot, share_key) sum to
-- total; of bought tokens, those on the bill that no source counted have a share of method `not counted` and no team. A base holds for its slot,
-- or for the calendar month of it where the pool's grain is the period. What is booked and left is of the pool's model where it has only one. A name
-- that the configuration gives means the team that has it when the slot begins.
-- By level: yes
-- Empty without: state_cells
-- Keep: yes
WITH wanted AS (
    SELECT DISTINCT
        c.pool, c.slot_start, c.slot_end, c.share_key, c.state_model, p.idle_owner,
        CASE p.grain WHEN 'period' THEN CAST(DATE_TRUNC('month', c.slot_start) AS TIMESTAMP) ELSE c.slot_start END AS since,
        CASE p.grain WHEN 'period' THEN CAST(DATE_TRUNC('month', CAST(c.slot_end - INTERVAL 1 MICROSECOND AS TIMESTAMP)) AS TIMESTAMP) + INTERVAL 1 MONTH ELSE c.slot_end END AS until
    FROM state_cells AS c
    LEFT JOIN pools AS p ON p.pool = c.pool
    WHERE c.share_key IS NOT NULL AND c.level = $level
),

billed AS (
    SELECT pool, slot_start, slot_end, CONCAT('api|', provider, '|', api_model, '|', COALESCE(api_class, '~')) AS share_key, model, SUM(billed_tokens) AS tokens
    FROM pool_cells
    WHERE pool = 'api' AND billed_tokens > 0 AND $level = 1
    GROUP BY ALL
),

alone AS (
    SELECT w.pool, w.slot_start, w.slot_end, MIN(b.model) AS model
    FROM wanted AS w
    INNER JOIN allocation_bases AS b ON b.pool = w.pool AND b.base_key IS NULL AND b.slot_start < w.until AND b.slot_end > w.since
    WHERE w.share_key LIKE 'booked|%'
    GROUP BY w.pool, w.slot_start, w.slot_end
    HAVING MIN(b.model) = MAX(b.model)
),

based AS (
    SELECT
        w.pool, w.slot_start, w.slot_end, w.share_key,
        CASE WHEN w.share_key LIKE 'models|%' THEN w.idle_owner ELSE b.team END AS team, b.to_pool, COALESCE(b.model, w.state_model, 'unknown') AS model,
        CASE WHEN w.share_key LIKE 'models|%' THEN 'unknown' ELSE b.purpose END AS purpose,
        b.method, SUM(b.weight) AS weight, BOOL_OR(b.is_estimated) AS is_estimated
    FROM wanted AS w
    INNER JOIN allocation_bases AS b ON b.pool = w.pool AND b.slot_start < w.until AND b.slot_end > w.since AND (
        b.base_key = w.share_key
        OR (b.base_key IS NULL AND w.share_key LIKE 'teams|%' AND (w.state_model IS NULL OR COALESCE(b.model, w.state_model) = w.state_model))
        OR (b.base_key IS NULL AND w.share_key LIKE 'models|%' AND b.model IS NOT NULL AND (w.state_model IS NULL OR b.model = w.state_model))
    )
    GROUP BY ALL
    UNION ALL
    SELECT w.pool, w.slot_start, w.slot_end, w.share_key, f.team, f.to_pool, COALESCE(w.state_model, 'unknown'), 'unknown', 'fixed', CAST(f.share * 1000000 AS DECIMAL(38, 0)), FALSE
    FROM wanted AS w
    INNER JOIN pool_fixed AS f ON f.pool = w.pool
    WHERE w.share_key LIKE 'teams|%'
    UNION ALL
    SELECT w.pool, w.slot_start, w.slot_end, w.share_key, r.team, CAST(NULL AS VARCHAR), COALESCE(w.state_model, a.model, 'unknown'), 'unknown', r.method, r.idle, FALSE
    FROM wanted AS w
    INNER JOIN reserved_time AS r ON r.billing_period = $billing_period AND r.pool = w.pool AND r.slot_start = w.slot_start AND r.slot_end = w.slot_end
    LEFT JOIN alone AS a ON a.pool = w.pool AND a.slot_start = w.slot_start AND a.slot_end = w.slot_end
    WHERE w.share_key LIKE 'booked|%'
),

counted AS (SELECT pool, slot_start, slot_end, share_key, SUM(weight) AS tokens FROM based GROUP BY pool, slot_start, slot_end, share_key),

whole AS (
    SELECT pool, slot_start, slot_end, share_key, team, to_pool, model, purpose, method, weight, is_estimated
    FROM based
    UNION ALL
    SELECT b.pool, b.slot_start, b.slot_end, b.share_key, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), b.model, 'unknown', 'not counted', b.tokens - c.tokens, FALSE
    FROM billed AS b
    INNER JOIN counted AS c ON c.pool = b.pool AND c.slot_start = b.slot_start AND c.slot_end = b.slot_end AND c.share_key = b.share_key
    WHERE b.tokens > c.tokens
)

SELECT
    $billing_period AS billing_period, w.pool, w.slot_start, w.slot_end, w.share_key, COALESCE(o.team, w.team) AS team, w.to_pool, w.model, w.purpose, w.method, SUM(w.weight) AS weight,
    BOOL_OR(w.is_estimated) AS is_estimated, SUM(SUM(w.weight)) OVER (PARTITION BY w.pool, w.slot_start, w.slot_end, w.share_key) AS total
FROM whole AS w
LEFT JOIN team_aliases AS o ON o.raw = LOWER(w.team) AND CAST(w.slot_start AS DATE) >= o.valid_from AND CAST(w.slot_start AS DATE) < o.valid_to
    AND (w.method IN ('fixed', 'driver', 'not covered', 'not booked') OR w.share_key LIKE 'models|%')
WHERE w.weight <> 0
GROUP BY w.pool, w.slot_start, w.slot_end, w.share_key, COALESCE(o.team, w.team), w.to_pool, w.model, w.purpose, w.method
