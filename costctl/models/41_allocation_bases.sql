-- What a pool is split by: its allocation base per day, or hour, and recipient, as a whole number; bought tokens that somebody counted are their own base.
-- Grain: one row per pool, slot (its day or hour), base_key, team, pool that it is passed on to, model and purpose. base_key names the cells that a base is for, NULL any of
-- the pool; a model that is NULL is the one of the chips. Direct cost is in its own currency; drivers are as they are told, chip-seconds are of records that name a team.
-- There are none where no pool costs anything.
-- Empty without: pool_cells
WITH counted AS (
    SELECT t.day, t.hour, t.pool, t.team, t.model, t.purpose, t.token_class, t.tokens, t.requests, FALSE AS is_uncovered, t.is_estimated
    FROM token_use AS t
    WHERE t.pool IS NOT NULL AND t.pool <> 'api'
    UNION ALL
    SELECT u.day, u.hour, u.pool, p.coverage_owner, u.model, 'unknown', u.token_class, u.tokens, u.requests, TRUE, FALSE
    FROM uncovered_tokens AS u
    INNER JOIN pools AS p ON p.pool = u.pool
),

weighed AS (
    SELECT
        CAST(CAST(t.day AS TIMESTAMP) + (CASE p.grain WHEN 'hour' THEN t.hour ELSE 0 END) * INTERVAL '1' HOUR AS TIMESTAMP) AS slot_start,
        CAST(CAST(t.day AS TIMESTAMP) + (CASE p.grain WHEN 'hour' THEN t.hour + 1 ELSE 24 END) * INTERVAL '1' HOUR AS TIMESTAMP) AS slot_end,
        p.pool, t.team, t.model, t.purpose,
        CASE WHEN t.is_uncovered THEN 'not covered' WHEN p.base = 'weighted_tokens' THEN p.method ELSE p.base END AS method,
        SUM(CASE p.base
            WHEN 'weighted_tokens' THEN CAST(CAST(t.tokens AS DECIMAL(19, 0)) * COALESCE(w.weight, CAST('1' AS DECIMAL(9, 6))) * 1000000 AS DECIMAL(38, 0))
            WHEN 'tokens' THEN CAST(t.tokens AS DECIMAL(38, 0))
            WHEN 'output_tokens' THEN CASE WHEN t.token_class = 'output' THEN CAST(t.tokens AS DECIMAL(38, 0)) ELSE CAST(0 AS DECIMAL(38, 0)) END
            ELSE CAST(t.requests AS DECIMAL(38, 0))
        END) AS weight,
        BOOL_OR(t.is_estimated) AS is_estimated
    FROM counted AS t
    INNER JOIN pools AS p ON p.tokens_of = t.pool AND p.base IN ('weighted_tokens', 'tokens', 'output_tokens', 'requests')
    LEFT JOIN pool_weights AS w ON w.pool = p.pool AND w.token_class = t.token_class
    GROUP BY ALL
),

bases AS (
    SELECT
        CAST(t.day AS TIMESTAMP) AS slot_start, CAST(CAST(t.day AS TIMESTAMP) + INTERVAL 1 DAY AS TIMESTAMP) AS slot_end, t.pool, CONCAT('api|', t.provider, '|', t.bought_model, '|', t.token_class) AS base_key, CAST(NULL AS VARCHAR) AS to_pool, t.team, t.model, t.purpose,
        'bought tokens' AS method, SUM(CAST(t.tokens AS DECIMAL(38, 0))) AS weight, BOOL_OR(t.is_estimated) AS is_estimated
    FROM token_use AS t
    WHERE t.pool = 'api' AND t.token_class <> '-' AND NOT t.by_bill
    GROUP BY ALL
    UNION ALL
    SELECT slot_start, slot_end, pool, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), team, model, purpose, method, weight, is_estimated
    FROM weighed
    WHERE weight > 0 OR method <> 'not covered'
    UNION ALL
    SELECT
        d.slot_start, d.slot_end, p.pool, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), r.team, COALESCE(r.model, 'unknown'), CASE r.state WHEN 'training' THEN 'training' ELSE 'unknown' END, p.base,
        SUM(r.microchips * DATE_DIFF('second', GREATEST(r.ts_start, d.slot_start), LEAST(r.ts_end, d.slot_end))), FALSE
    FROM chip_records AS r
    INNER JOIN pools AS p ON p.pool = r.pool AND p.base = 'chip_seconds'
    INNER JOIN base_slots AS d ON d.grain = p.grain AND d.slot_start < r.ts_end AND d.slot_end > r.ts_start
    WHERE r.state IN ('serving', 'training', 'startup') AND r.names_team
    GROUP BY ALL
    UNION ALL
    SELECT
        s.slot_start, s.slot_end, p.pool, CONCAT('cost|', s.BillingCurrency), s.passed_to, s.team, s.model, s.purpose, p.base,
        SUM(signed_millionths(s.cost)), FALSE
    FROM direct_costs AS s
    INNER JOIN pools AS p ON p.base = 'direct_cost' AND p.grain = s.grain
    LEFT JOIN pool_over AS o ON o.pool = p.pool AND o.to_pool = s.passed_to
    WHERE s.passed_to IS NULL OR o.pool IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT d.slot_start, d.slot_end, v.pool, CAST(NULL AS VARCHAR), v.to_pool, v.team, CAST(NULL AS VARCHAR), 'unknown', 'driver', CAST(v.value * 1000000 AS DECIMAL(38, 0)), FALSE
    FROM pool_drivers AS v
    INNER JOIN pools AS p ON p.pool = v.pool
    INNER JOIN base_slots AS d ON d.grain = p.grain AND CAST(d.slot_start AS DATE) >= v.valid_from AND CAST(d.slot_start AS DATE) < v.valid_to
)

SELECT slot_start, slot_end, pool, base_key, to_pool, team, model, purpose, method, weight, is_estimated
FROM bases
WHERE EXISTS (SELECT 1 FROM pool_cells)
