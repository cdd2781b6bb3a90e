-- Tokens by day and owner, from the one evidence role that drives money for a pool or provider on that day.
-- Grain: one row per day, pool, provider, model, team, purpose, task and token class; requests stand on rows of class '-'.
WITH span AS (
    SELECT
        LEAST($billing_period, COALESCE(CAST(MIN(slot_start) AS DATE), $billing_period)) AS first_day,
        GREATEST($billing_period_end, COALESCE(CAST(MAX(slot_end) AS DATE), $billing_period_end)) AS end_day
    FROM attributed_groups
),

roster AS (SELECT COUNT(*) AS teams FROM team_aliases),

named AS (
    SELECT
        CAST(DATE_TRUNC('day', u.ts_start) AS DATE) AS day, COALESCE(p.provider, LOWER(u.provider)) AS provider,
        COALESCE(u.pool, d.pool, CASE WHEN COALESCE(p.provider, LOWER(u.provider)) <> 'self' THEN 'api' END) AS pool,
        COALESCE(a.model, CASE WHEN COALESCE(p.provider, LOWER(u.provider)) = 'self' THEN LOWER(TRIM(u.model_raw)) END, 'unknown') AS model,
        COALESCE(a.model, LOWER(TRIM(u.model_raw)), 'unknown') AS bought_model,
        CASE WHEN t.team IS NOT NULL THEN t.team WHEN r.teams = 0 THEN TRIM(u.team_raw) END AS team,
        COALESCE(LOWER(TRIM(u.purpose)), t.purpose, 'unknown') AS purpose, u.task, u.outcome, u.requests,
        u.delivery_id, u.file_no, u.record_no,
        CASE u.evidence_role WHEN 'gateway' THEN 1 WHEN 'provider_meter' THEN 2 WHEN 'engine' THEN 3 WHEN 'client' THEN 4 ELSE 5 END AS role_rank
    FROM token_usage AS u
    CROSS JOIN span AS s
    CROSS JOIN roster AS r
    LEFT JOIN providers AS p ON p.name = LOWER(u.provider)
    LEFT JOIN pool_deployments AS d ON d.deployment = u.deployment
    LEFT JOIN team_aliases AS t ON t.raw = LOWER(TRIM(u.team_raw)) AND CAST(u.ts_start AS DATE) >= t.valid_from AND CAST(u.ts_start AS DATE) < t.valid_to
    LEFT JOIN model_names AS a ON a.raw = LOWER(TRIM(u.model_raw)) AND CAST(u.ts_start AS DATE) >= a.valid_from AND CAST(u.ts_start AS DATE) < a.valid_to
    WHERE CAST(u.ts_start AS DATE) >= s.first_day AND CAST(u.ts_start AS DATE) < s.end_day
),

ranked AS (
    SELECT
        day, provider, pool, model, bought_model, team, purpose, task, outcome, requests, delivery_id, file_no, record_no, role_rank,
        MIN(role_rank) OVER (PARTITION BY day, provider, pool) AS driving_rank
    FROM named
),

counted AS (
    SELECT
        r.day, r.provider, r.pool, r.model, r.bought_model, r.team, r.purpose, r.task, r.outcome,
        CASE
            WHEN q.token_class LIKE 'output%' THEN 'output'
            WHEN q.token_class LIKE 'input.cache_write%' THEN 'cache_write'
            WHEN q.token_class = 'input.cache_read' THEN 'cache_read'
            ELSE 'input'
        END AS token_class,
        q.tokens, CAST(0 AS BIGINT) AS requests
    FROM ranked AS r
    INNER JOIN token_quantity AS q ON q.delivery_id = r.delivery_id AND q.file_no = r.file_no AND q.record_no = r.record_no
    WHERE r.role_rank = r.driving_rank
    UNION ALL
    SELECT day, provider, pool, model, bought_model, team, purpose, task, outcome, '-', CAST(0 AS BIGINT), COALESCE(requests, CAST(0 AS BIGINT))
    FROM ranked
    WHERE role_rank = driving_rank
)

SELECT
    day, provider, pool, model, bought_model, team, purpose, task, token_class,
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
