-- The usage records of the days that the period needs, with the names they are attributed to, and whether they drive money: of each pool or provider
-- and day those of one evidence role do, the one that the configuration names, else the first of its order that has counted.
-- Grain: one row per usage record. Its time goes from ts_start to ts_last, the last instant within it; is_bought tells those of a provider on the
-- days of the calendar month, or of tokens that the period's bills charge. What spilled over from provisioned capacity is bought by the token.
-- Empty without: token_owners
WITH named AS (
    SELECT
        CAST(DATE_TRUNC('day', u.ts_start) AS DATE) AS day, COALESCE(p.provider, LOWER(u.provider)) AS provider,
        CASE
            WHEN CONCAT(' ', u.flags, ' ') LIKE '% spillover %' THEN 'api'
            ELSE COALESCE(u.pool, d.pool, n.pool, CASE WHEN COALESCE(p.provider, LOWER(u.provider)) <> 'self' THEN 'api' END)
        END AS pool,
        COALESCE(a.model, CASE WHEN COALESCE(p.provider, LOWER(u.provider)) = 'self' THEN LOWER(TRIM(u.model_raw)) END, 'unknown') AS model,
        COALESCE(a.model, LOWER(TRIM(u.model_raw)), 'unknown') AS bought_model,
        o.team, CASE WHEN o.team IS NULL THEN o.owner END AS unknown_owner,
        COALESCE(o.rule_purpose, LOWER(TRIM(u.purpose)), o.alias_purpose, 'unknown') AS purpose, u.task, u.outcome, u.requests,
        u.delivery_id, u.file_no, u.record_no, u.part_no, u.source, u.evidence_role, p.channel, LOWER(TRIM(u.region)) AS region, a.route,
        COALESCE(LOWER(TRIM(u.service_tier)), CASE WHEN LOWER(TRIM(u.model_raw)) LIKE '%-fast' AND a.model NOT LIKE '%-fast' THEN 'fast' END, 'standard') AS service_tier,
        COALESCE(p.provider, LOWER(u.provider)) <> 'self' AND CAST(u.ts_start AS DATE) >= s.bought_from AND CAST(u.ts_start AS DATE) < s.bought_until AS is_bought,
        u.ts_start, GREATEST(u.ts_start, CAST(u.ts_end - INTERVAL '1' MICROSECOND AS TIMESTAMP)) AS ts_last
    FROM token_usage AS u
    CROSS JOIN usage_span AS s
    INNER JOIN token_owners AS o ON o.day = CAST(u.ts_start AS DATE) AND o.source = u.source AND o.provider = u.provider
        AND o.team_raw IS NOT DISTINCT FROM u.team_raw AND o.api_key IS NOT DISTINCT FROM u.api_key AND o.project IS NOT DISTINCT FROM u.project
        AND o.namespace IS NOT DISTINCT FROM u.namespace AND o.principal IS NOT DISTINCT FROM u.principal AND o.deployment IS NOT DISTINCT FROM u.deployment
    LEFT JOIN providers AS p ON p.name = LOWER(u.provider)
    LEFT JOIN pool_tokens AS d ON d.field = 'deployment' AND d.value = u.deployment
    LEFT JOIN pool_tokens AS n ON n.field = 'namespace' AND n.value = u.namespace
    LEFT JOIN model_names AS a ON a.raw = LOWER(TRIM(u.model_raw)) AND CAST(u.ts_start AS DATE) >= a.valid_from AND CAST(u.ts_start AS DATE) < a.valid_to
    WHERE CAST(u.ts_start AS DATE) >= s.first_day AND CAST(u.ts_start AS DATE) < s.end_day
),

scopes AS (SELECT DISTINCT scope FROM driving_roles),

placed AS (
    SELECT
        n.day, n.provider, n.channel, n.pool, n.model, n.bought_model, n.region, n.route, n.service_tier, n.team, n.unknown_owner, n.purpose, n.task, n.outcome, n.requests, n.is_bought,
        n.ts_start, n.ts_last, n.source, n.evidence_role, n.delivery_id, n.file_no, n.record_no, n.part_no, r.place, MIN(r.place) OVER (PARTITION BY n.day, n.provider, n.pool) AS driving_place
    FROM named AS n
    LEFT JOIN scopes AS sp ON sp.scope = CONCAT('pool ', n.pool)
    LEFT JOIN scopes AS sv ON sv.scope = CONCAT('provider ', n.provider)
    LEFT JOIN driving_roles AS r ON r.scope = COALESCE(sp.scope, sv.scope, '*') AND r.evidence_role = n.evidence_role AND COALESCE(r.source, n.source) = n.source
)

SELECT
    day, provider, channel, pool, model, bought_model, region, route, service_tier, team, unknown_owner, purpose, task, outcome, requests, is_bought,
    ts_start, ts_last, source, evidence_role, COALESCE(place = driving_place, FALSE) AS drives, delivery_id, file_no, record_no, part_no
FROM placed
