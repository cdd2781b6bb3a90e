-- The chip time of each pool and slot by state, in millionths of chip-seconds; what was paid and not reported is `unknown`.
-- Grain: one row per pool, slot, state and the team and model the record names. Slots without any chip time are absent.
WITH slots AS (
    SELECT g.pool, g.slot_start, g.slot_end, SUM(h.chip_hours) AS chip_hours
    FROM attributed_groups AS g
    LEFT JOIN chip_hours AS h ON h.group_id = g.group_id AND g.nature = 'usage'
    WHERE g.pool IS NOT NULL AND g.pool <> 'api'
    GROUP BY ALL
),

stated AS (
    SELECT
        s.pool, s.slot_start, s.slot_end, s.chip_hours, a.state, t.team, COALESCE(m.model, LOWER(TRIM(a.model_raw))) AS model,
        SUM(CAST(CAST(a.chips * 1000000 AS DECIMAL(24, 0)) AS DECIMAL(38, 0))
            * DATE_DIFF('second', GREATEST(a.ts_start, s.slot_start), LEAST(a.ts_end, s.slot_end))) AS weight
    FROM slots AS s
    INNER JOIN accelerator_usage AS a ON a.pool = s.pool AND a.ts_start < s.slot_end AND a.ts_end > s.slot_start
    LEFT JOIN team_aliases AS t ON t.raw = LOWER(TRIM(a.team_raw)) AND CAST(a.ts_start AS DATE) >= t.valid_from AND CAST(a.ts_start AS DATE) < t.valid_to
    LEFT JOIN model_aliases AS m ON m.raw = LOWER(TRIM(a.model_raw)) AND CAST(a.ts_start AS DATE) >= m.valid_from AND CAST(a.ts_start AS DATE) < m.valid_to
    GROUP BY ALL
),

totals AS (
    SELECT pool, slot_start, slot_end, CAST(COALESCE(chip_hours, CAST('0' AS DECIMAL(18, 6))) * 1000000 AS DECIMAL(38, 0)) * 3600 - SUM(weight) AS gap
    FROM stated
    GROUP BY pool, slot_start, slot_end, chip_hours
)

SELECT pool, slot_start, slot_end, state, team, model, CAST(weight AS DECIMAL(38, 0)) AS weight
FROM stated
WHERE weight > 0
UNION ALL
SELECT pool, slot_start, slot_end, 'unknown', CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(gap AS DECIMAL(38, 0))
FROM totals
WHERE gap > 0
