-- Tokens by day and owner, from the one evidence role that drives money for a pool or provider on that day.
-- Grain: one row per day, pool, provider, model, team, purpose, task and token class; requests stand on rows of class '-'. Where nobody
-- counted what a provider bills on a day, and the roles let it, the bill's own token lines count: they stand on the day on which a line begins.
WITH counted AS (
    SELECT
        r.day, r.provider, r.pool, r.model, r.bought_model, r.team, r.purpose, r.task, r.outcome,
        CASE
            WHEN q.token_class LIKE 'output%' THEN 'output'
            WHEN q.token_class LIKE 'input.cache_write%' THEN 'cache_write'
            WHEN q.token_class = 'input.cache_read' THEN 'cache_read'
            ELSE 'input'
        END AS token_class,
        q.tokens, CAST(0 AS BIGINT) AS requests, FALSE AS by_bill
    FROM named_usage AS r
    INNER JOIN token_quantity AS q ON q.delivery_id = r.delivery_id AND q.file_no = r.file_no AND q.record_no = r.record_no AND q.part_no = r.part_no
    WHERE r.drives
    UNION ALL
    SELECT day, provider, pool, model, bought_model, team, purpose, task, outcome, '-', CAST(0 AS BIGINT), COALESCE(requests, CAST(0 AS BIGINT)), FALSE
    FROM named_usage
    WHERE drives
    UNION ALL
    SELECT day, provider, 'api', model, bought_model, team, purpose, 'generate', 'ok', bill_class, tokens, CAST(0 AS BIGINT), TRUE
    FROM billed_tokens
    WHERE drives
)

SELECT
    day, provider, pool, model, bought_model, team, purpose, task, token_class, by_bill,
    CASE
        WHEN pool = 'api' THEN CONCAT('api/', provider, '/', bought_model)
        WHEN pool IS NOT NULL THEN pool
        ELSE CONCAT(COALESCE(team, '-'), '/', model)
    END AS unit,
    CAST(SUM(CAST(tokens AS DECIMAL(38, 0))) AS BIGINT) AS tokens,
    CAST(SUM(CAST(CASE WHEN outcome = 'ok' THEN tokens ELSE 0 END AS DECIMAL(38, 0))) AS BIGINT) AS delivered_tokens,
    CAST(SUM(CAST(requests AS DECIMAL(38, 0))) AS BIGINT) AS requests
FROM counted
GROUP BY ALL
