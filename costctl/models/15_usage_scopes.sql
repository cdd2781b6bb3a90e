-- Which pool or provider token counts are of, and whether they drive money there.
-- Grain: one row per day and what sources say of both: source, role, provider, pool, deployment, namespace, and whether it spilled over.
-- Of each pool or provider and day those of one evidence role do: the one that the configuration names, else the first of its order that has counted.
-- What spilled over from provisioned capacity is bought. by_hour tells the pools by whose tokens something is split by hours.
-- Empty without: token_usage
WITH counted AS (
    SELECT DISTINCT
        CAST(u.ts_start AS DATE) AS day, u.source, u.evidence_role, u.provider AS provider_raw, u.pool AS pool_raw, u.deployment, u.namespace,
        CONCAT(' ', u.flags, ' ') LIKE '% spillover %' AS spilled
    FROM token_usage AS u
    CROSS JOIN usage_span AS s
    WHERE u.ts_start >= CAST(s.first_day AS TIMESTAMP) AND u.ts_start < CAST(s.end_day AS TIMESTAMP)
),

placed AS (
    SELECT
        c.day, c.source, c.evidence_role, c.provider_raw, c.pool_raw, c.deployment, c.namespace, c.spilled, COALESCE(p.provider, LOWER(c.provider_raw)) AS provider, p.channel,
        CASE WHEN c.spilled THEN 'api' ELSE COALESCE(c.pool_raw, d.pool, n.pool, CASE WHEN COALESCE(p.provider, LOWER(c.provider_raw)) <> 'self' THEN 'api' END) END AS pool
    FROM counted AS c
    LEFT JOIN providers AS p ON p.name = LOWER(c.provider_raw)
    LEFT JOIN pool_tokens AS d ON d.field = 'deployment' AND d.value = c.deployment
    LEFT JOIN pool_tokens AS n ON n.field = 'namespace' AND n.value = c.namespace
),

scopes AS (SELECT DISTINCT scope FROM driving_roles),

hourly AS (SELECT DISTINCT tokens_of FROM pools WHERE grain = 'hour'),

ranked AS (
    SELECT
        p.day, p.source, p.evidence_role, p.provider_raw, p.pool_raw, p.deployment, p.namespace, p.spilled, p.provider, p.channel, p.pool, h.tokens_of IS NOT NULL AS by_hour,
        r.place, MIN(r.place) OVER (PARTITION BY p.day, p.provider, p.pool) AS driving_place
    FROM placed AS p
    LEFT JOIN scopes AS sp ON sp.scope = CONCAT('pool ', p.pool)
    LEFT JOIN scopes AS sv ON sv.scope = CONCAT('provider ', p.provider)
    LEFT JOIN hourly AS h ON h.tokens_of = p.pool
    LEFT JOIN driving_roles AS r ON r.scope = COALESCE(sp.scope, sv.scope, '*') AND r.evidence_role = p.evidence_role AND COALESCE(r.source, p.source) = p.source
)

SELECT
    day, source, evidence_role, provider_raw, pool_raw, deployment, namespace, spilled, provider, channel, pool, by_hour,
    COALESCE(place = driving_place, FALSE) AS drives
FROM ranked
