-- Chip time with the pool, team and model that each record is of.
-- Grain: one row per record of chip time that is of a pool and touches the days that the period needs. A record that names no pool belongs to that whose `chips:` name its node, else its
-- namespace, else its cluster: a whole name before a prefix, a longer one before a shorter; to none if none does, which reports tell.
-- Empty without: accelerator_usage
WITH roster AS (SELECT COUNT(*) AS teams FROM team_aliases),

places AS (SELECT DISTINCT resource_id, namespace, cluster FROM accelerator_usage WHERE pool IS NULL),

candidates AS (
    SELECT
        p.resource_id, p.namespace, p.cluster, c.pool, c.value,
        CASE c.field WHEN 'resource' THEN 1 WHEN 'namespace' THEN 2 ELSE 3 END AS field_rank,
        CASE WHEN SUBSTR(c.value, LENGTH(c.value), 1) = '*' THEN 1 ELSE 0 END AS is_prefix
    FROM places AS p
    INNER JOIN pool_chips AS c
        ON is_named(CASE c.field WHEN 'resource' THEN p.resource_id WHEN 'namespace' THEN p.namespace WHEN 'cluster' THEN p.cluster END, c.value)
),

ranked AS (
    SELECT
        resource_id, namespace, cluster, pool,
        ROW_NUMBER() OVER (PARTITION BY resource_id, namespace, cluster ORDER BY field_rank, is_prefix, LENGTH(value) DESC, value, pool) AS place
    FROM candidates
),

pooled AS (
    SELECT COALESCE(a.pool, k.pool) AS pool, a.chips, a.state, a.ts_start, a.ts_end, a.team_raw, a.model_raw
    FROM accelerator_usage AS a
    LEFT JOIN ranked AS k
        ON k.place = 1 AND a.pool IS NULL AND k.resource_id IS NOT DISTINCT FROM a.resource_id
        AND k.namespace IS NOT DISTINCT FROM a.namespace AND k.cluster IS NOT DISTINCT FROM a.cluster
)

SELECT
    a.pool, a.state, a.ts_start, a.ts_end, CAST(CAST(a.chips * 1000000 AS DECIMAL(24, 0)) AS DECIMAL(38, 0)) AS microchips,
    CASE WHEN t.team IS NOT NULL THEN t.team WHEN r.teams = 0 THEN TRIM(a.team_raw) END AS team, COALESCE(m.model, LOWER(TRIM(a.model_raw))) AS model,
    a.team_raw IS NOT NULL AS names_team
FROM pooled AS a
CROSS JOIN roster AS r
CROSS JOIN usage_span AS s
LEFT JOIN team_aliases AS t ON t.raw = LOWER(TRIM(a.team_raw)) AND CAST(a.ts_start AS DATE) >= t.valid_from AND CAST(a.ts_start AS DATE) < t.valid_to
LEFT JOIN model_names AS m ON m.billing_period = s.billing_period AND m.raw = LOWER(TRIM(a.model_raw)) AND CAST(a.ts_start AS DATE) >= m.valid_from AND CAST(a.ts_start AS DATE) < m.valid_to
WHERE a.pool IS NOT NULL AND a.ts_start < CAST(s.end_day AS TIMESTAMP) AND a.ts_end > CAST(s.first_day AS TIMESTAMP)
