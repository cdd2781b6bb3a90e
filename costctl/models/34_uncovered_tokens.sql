-- What the engines of a pool counted beyond the counts that drive money: work that no team asked for by name, so that it can be a share of its own.
-- Grain: one row per day, hour where something is split by the hours of the pool, pool, model and token class; requests stand on rows of class '-'. A model that only one of the two names is compared
-- with the others of that kind, as `unknown`. Below zero where the engines missed some of a class.
-- Empty without: counted_tokens
WITH counted AS (
    SELECT
        day, hour, pool, model, drives,
        CASE
            WHEN token_class = '-' THEN '-'
            WHEN token_class LIKE 'output%' THEN 'output'
            WHEN token_class LIKE 'input.cache_write%' THEN 'cache_write'
            WHEN token_class = 'input.cache_read' THEN 'cache_read'
            ELSE 'input'
        END AS token_class,
        tokens, COALESCE(requests, CAST(0 AS DECIMAL(38, 0))) AS requests
    FROM counted_tokens
    WHERE billing_period = $billing_period AND pool <> 'api' AND (drives OR evidence_role = 'engine')
),

named AS (
    SELECT
        day, hour, pool, drives, token_class, tokens, requests, MIN(CASE WHEN drives THEN 1 ELSE 0 END) OVER (PARTITION BY day, pool) AS all_drive,
        CASE WHEN MIN(CASE WHEN drives THEN 1 ELSE 0 END) OVER one < MAX(CASE WHEN drives THEN 1 ELSE 0 END) OVER one THEN model ELSE 'unknown' END AS model
    FROM counted
    WINDOW one AS (PARTITION BY day, pool, model)
)

SELECT
    day, hour, pool, model, token_class, CAST(SUM(CASE WHEN drives THEN -tokens ELSE tokens END) AS BIGINT) AS tokens,
    CAST(SUM(CASE WHEN drives THEN -requests ELSE requests END) AS BIGINT) AS requests
FROM named
WHERE all_drive = 0
GROUP BY day, hour, pool, model, token_class
