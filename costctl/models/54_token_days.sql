-- Tokens of the period's calendar month by owner, with the chip and source of the unit they ran on, and whether their bill is here.
-- Grain: one row per day, unit, provider, model, team, purpose, task and token class; what only a bill counts is with its billing period.
-- Empty without: token_use
-- Keep: yes
SELECT
    $billing_period AS billing_period, t.day, t.pool, t.unit, t.provider, t.model, t.team, t.purpose, t.task, t.token_class,
    COALESCE(u.chip, '-') AS unit_chip, COALESCE(u.source_label, CASE WHEN t.pool = 'api' THEN CONCAT(t.provider, '/api') ELSE '-' END) AS unit_source,
    t.tokens, t.delivered_tokens, t.requests, t.by_bill, t.pool IS DISTINCT FROM 'api' OR b.unit IS NOT NULL OR t.token_class = '-' AS is_billed,
    CAST(t.delivered_tokens AS DECIMAL(19, 0)) * COALESCE(w.weight, d.weight, CAST('1' AS DECIMAL(9, 6))) AS weighted_tokens
FROM (
    SELECT
        day, pool, unit, provider, model, bought_model, team, purpose, task, token_class, by_bill, CAST(SUM(CAST(tokens AS DECIMAL(38, 0))) AS BIGINT) AS tokens,
        CAST(SUM(CAST(delivered_tokens AS DECIMAL(38, 0))) AS BIGINT) AS delivered_tokens, CAST(SUM(CAST(requests AS DECIMAL(38, 0))) AS BIGINT) AS requests
    FROM token_use
    GROUP BY ALL
) AS t
LEFT JOIN unit_sources AS u ON u.unit = t.unit
LEFT JOIN pool_weights AS w ON w.pool = t.pool AND w.token_class = t.token_class
LEFT JOIN (SELECT DISTINCT g.unit, g.x_token_class, d.day FROM attributed_groups AS g INNER JOIN calendar AS d ON d.day >= CAST(g.slot_start AS DATE) AND CAST(d.day AS TIMESTAMP) < g.slot_end
    WHERE g.is_bought) AS b ON b.unit = t.unit AND b.x_token_class = t.token_class AND b.day = t.day
LEFT JOIN pool_weights AS d ON d.pool = '*' AND d.token_class = t.token_class
WHERE t.by_bill OR (t.day >= $billing_period AND t.day < $billing_period_end)
