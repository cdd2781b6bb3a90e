-- The chip time of each pool and slot by state, in millionths of chip-seconds; what was paid and not reported is `unknown`.
-- Grain: one row per pool, slot, state and the team and model the record names. Slots without chip time, or whose paid chip-hours
-- are not known, are absent. A record that names no pool belongs to that whose `chips:` name its node, else its namespace, else its cluster: a
-- whole name before a prefix, a longer one before a shorter; to none if none does, which reports tell. paid is the slot's whole; where the states exceed it they are taken in proportion, and a report says so.
-- Empty without: accelerator_usage
-- Keep: yes
WITH roster AS (SELECT COUNT(*) AS teams FROM team_aliases),

slots AS (
    SELECT g.pool, g.slot_start, g.slot_end, CAST(SUM(h.chip_hours) * 1000000 AS DECIMAL(38, 0)) * 3600 AS paid
    FROM attributed_groups AS g
    LEFT JOIN chip_hours AS h ON h.group_id = g.group_id
    LEFT JOIN unknown_machines AS n ON n.group_id = g.group_id AND n.billing_period = g.billing_period
    WHERE g.pool IS NOT NULL AND g.pool <> 'api' AND g.nature = 'usage' AND (h.group_id IS NOT NULL OR n.group_id IS NOT NULL)
    GROUP BY g.pool, g.slot_start, g.slot_end
    HAVING COUNT(n.group_id) = 0
),

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
),

stated AS (
    SELECT
        s.pool, s.slot_start, s.slot_end, s.paid, a.state,
        CASE WHEN t.team IS NOT NULL THEN t.team WHEN r.teams = 0 THEN TRIM(a.team_raw) END AS team, COALESCE(m.model, LOWER(TRIM(a.model_raw))) AS model,
        SUM(CAST(CAST(a.chips * 1000000 AS DECIMAL(24, 0)) AS DECIMAL(38, 0))
            * DATE_DIFF('second', GREATEST(a.ts_start, s.slot_start), LEAST(a.ts_end, s.slot_end))) AS weight
    FROM slots AS s
    CROSS JOIN roster AS r
    INNER JOIN pooled AS a ON a.pool = s.pool AND a.ts_start < s.slot_end AND a.ts_end > s.slot_start
    LEFT JOIN team_aliases AS t ON t.raw = LOWER(TRIM(a.team_raw)) AND CAST(a.ts_start AS DATE) >= t.valid_from AND CAST(a.ts_start AS DATE) < t.valid_to
    LEFT JOIN model_names AS m ON m.raw = LOWER(TRIM(a.model_raw)) AND CAST(a.ts_start AS DATE) >= m.valid_from AND CAST(a.ts_start AS DATE) < m.valid_to
    GROUP BY ALL
),

totals AS (
    SELECT pool, slot_start, slot_end, paid, paid - SUM(weight) AS gap
    FROM stated
    GROUP BY pool, slot_start, slot_end, paid
)

SELECT $billing_period AS billing_period, pool, slot_start, slot_end, state, team, model, CAST(weight AS DECIMAL(38, 0)) AS weight, CAST(paid AS DECIMAL(38, 0)) AS paid
FROM stated
WHERE weight > 0 AND paid > 0
UNION ALL
SELECT $billing_period, pool, slot_start, slot_end, 'unknown', CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(gap AS DECIMAL(38, 0)), CAST(paid AS DECIMAL(38, 0))
FROM totals
WHERE gap > 0
