-- The chip time of each pool and slot by state, in millionths of chip-seconds; what was paid and not reported is `unknown`.
-- Grain: one row per pool, slot, state and the team and model the record names. Slots without chip time, or whose paid chip-hours
-- are not known, are absent. paid is the slot's whole; where the states exceed it they are taken in proportion, and a report says so.
-- Empty without: chip_records
-- Keep: yes
WITH slots AS (
    SELECT g.pool, g.slot_start, g.slot_end, CAST(SUM(h.chip_hours) * 1000000 AS DECIMAL(38, 0)) * 3600 AS paid
    FROM attributed_groups AS g
    LEFT JOIN chip_hours AS h ON h.group_id = g.group_id
    LEFT JOIN unknown_machines AS n ON n.group_id = g.group_id AND n.billing_period = g.billing_period
    WHERE g.pool IS NOT NULL AND g.pool <> 'api' AND g.nature = 'usage' AND (h.group_id IS NOT NULL OR n.group_id IS NOT NULL)
    GROUP BY g.pool, g.slot_start, g.slot_end
    HAVING COUNT(n.group_id) = 0
),

stated AS (
    SELECT
        s.pool, s.slot_start, s.slot_end, s.paid, a.state, a.team, a.model,
        SUM(a.microchips * DATE_DIFF('second', GREATEST(a.ts_start, s.slot_start), LEAST(a.ts_end, s.slot_end))) AS weight
    FROM slots AS s
    INNER JOIN chip_records AS a ON a.pool = s.pool AND a.ts_start < s.slot_end AND a.ts_end > s.slot_start
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
