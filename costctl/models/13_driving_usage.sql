-- The usage records that drive money, of each pool or provider and day those of the one evidence role, with the names they are attributed to.
-- Grain: one row per usage record of that role. Its time goes from ts_start to ts_last, the last instant within it; is_bought tells those of a
-- provider on the days of the calendar month, or of tokens that the period's bills charge.
-- Empty without: token_usage
WITH slots AS (
    SELECT
        x_token_class, CAST(slot_start AS DATE) AS first_day,
        CAST(CAST(slot_end + INTERVAL '86399999999' MICROSECOND AS TIMESTAMP) AS DATE) AS end_day     -- the day after the last that it touches
    FROM attributed_groups
),

span AS (
    SELECT
        LEAST($billing_period, COALESCE(MIN(first_day), $billing_period)) AS first_day,
        GREATEST($billing_period_end, COALESCE(MAX(end_day), $billing_period_end)) AS end_day,
        LEAST($billing_period, COALESCE(MIN(CASE WHEN x_token_class IS NOT NULL THEN first_day END), $billing_period)) AS bought_from,
        GREATEST($billing_period_end, COALESCE(MAX(CASE WHEN x_token_class IS NOT NULL THEN end_day END), $billing_period_end)) AS bought_until
    FROM slots
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
        u.delivery_id, u.file_no, u.record_no, u.part_no, p.channel, LOWER(TRIM(u.region)) AS region, a.route,
        COALESCE(LOWER(TRIM(u.service_tier)), CASE WHEN LOWER(TRIM(u.model_raw)) LIKE '%-fast' AND a.model NOT LIKE '%-fast' THEN 'fast' END, 'standard') AS service_tier,
        COALESCE(p.provider, LOWER(u.provider)) <> 'self' AND CAST(u.ts_start AS DATE) >= s.bought_from AND CAST(u.ts_start AS DATE) < s.bought_until AS is_bought,
        u.ts_start, GREATEST(u.ts_start, CAST(u.ts_end - INTERVAL '1' MICROSECOND AS TIMESTAMP)) AS ts_last,
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
        day, provider, channel, pool, model, bought_model, region, route, service_tier, team, purpose, task, outcome, requests, is_bought, ts_start, ts_last,
        delivery_id, file_no, record_no, part_no, role_rank, MIN(role_rank) OVER (PARTITION BY day, provider, pool) AS driving_rank
    FROM named
)

SELECT
    day, provider, channel, pool, model, bought_model, region, route, service_tier, team, purpose, task, outcome, requests, is_bought, ts_start, ts_last,
    delivery_id, file_no, record_no, part_no
FROM ranked
WHERE role_rank = driving_rank
