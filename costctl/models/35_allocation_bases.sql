-- What a pool is split by: its allocation base per day and owner, as a whole number; bought tokens that somebody counted are their own base.
-- Grain: one row per pool, day, api_key, team, model and purpose.
-- Empty without: token_use
SELECT
    t.day, t.pool, CONCAT('api|', t.provider, '|', t.bought_model, '|', t.token_class) AS api_key, t.team, t.model, t.purpose, 'bought tokens' AS method,
    SUM(CAST(t.tokens AS DECIMAL(38, 0))) AS weight
FROM token_use AS t
WHERE t.pool = 'api' AND t.token_class <> '-' AND NOT t.by_bill
GROUP BY ALL
UNION ALL
SELECT
    t.day, t.pool, CAST(NULL AS VARCHAR), t.team, t.model, t.purpose, CASE p.base WHEN 'weighted_tokens' THEN p.method ELSE p.base END,
    SUM(CASE p.base
        WHEN 'weighted_tokens' THEN CAST(CAST(t.tokens AS DECIMAL(19, 0)) * COALESCE(w.weight, CAST('1' AS DECIMAL(9, 6))) * 1000000 AS DECIMAL(38, 0))
        WHEN 'tokens' THEN CAST(t.tokens AS DECIMAL(38, 0))
        WHEN 'output_tokens' THEN CASE WHEN t.token_class = 'output' THEN CAST(t.tokens AS DECIMAL(38, 0)) ELSE CAST(0 AS DECIMAL(38, 0)) END
        ELSE CAST(t.requests AS DECIMAL(38, 0))
    END)
FROM token_use AS t
INNER JOIN pools AS p ON p.pool = t.pool AND p.base IN ('weighted_tokens', 'tokens', 'output_tokens', 'requests')
LEFT JOIN pool_weights AS w ON w.pool = t.pool AND w.token_class = t.token_class
GROUP BY ALL
