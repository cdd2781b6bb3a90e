-- Tokens by day, or hour where something is split by the hours of the pool, and owner, from the one evidence role that drives money for a pool or provider on that day.
-- Grain: one row per day, hour, pool, provider, model, team, purpose, task and token class; requests stand on rows of class '-'. Where nobody
-- counted what a provider bills on a day, and the roles let it, the bill's own token lines count: they stand on the day on which a line begins.
WITH counted AS (
    SELECT
        day, hour, provider, pool, model, bought_model, team, purpose, task, outcome,
        CASE
            WHEN token_class = '-' THEN '-'
            WHEN token_class LIKE 'output%' THEN 'output'
            WHEN token_class LIKE 'input.cache_write%' THEN 'cache_write'
            WHEN token_class = 'input.cache_read' THEN 'cache_read'
            ELSE 'input'
        END AS token_class,
        tokens, COALESCE(requests, CAST(0 AS DECIMAL(38, 0))) AS requests, FALSE AS by_bill, is_estimated
    FROM counted_tokens
    WHERE billing_period = $billing_period AND drives
    UNION ALL
    SELECT
        day, CAST(NULL AS INTEGER), provider, 'api', model, bought_model, team, purpose, 'generate', 'ok', bill_class,
        CAST(tokens AS DECIMAL(38, 0)), CAST(0 AS DECIMAL(38, 0)), TRUE, FALSE
    FROM billed_tokens
    WHERE drives AND tokens IS NOT NULL
)

SELECT
    day, hour, provider, pool, model, bought_model, team, purpose, task, token_class, by_bill,
    CASE
        WHEN pool = 'api' THEN CONCAT('api/', provider, '/', bought_model)
        WHEN pool IS NOT NULL THEN pool
        ELSE CONCAT(COALESCE(team, '-'), '/', model)
    END AS unit,
    CAST(SUM(tokens) AS BIGINT) AS tokens,
    CAST(SUM(CASE WHEN outcome = 'ok' THEN tokens ELSE CAST(0 AS DECIMAL(38, 0)) END) AS BIGINT) AS delivered_tokens,
    CAST(SUM(requests) AS BIGINT) AS requests, BOOL_OR(is_estimated) AS is_estimated
FROM counted
GROUP BY ALL
