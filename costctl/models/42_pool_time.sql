-- The paid time of each pool and slot by state: that of its chips, or of capacity that is bought by what it can serve in a minute.
-- Grain: one row per pool, slot, state, team and model. Chips weigh millionths of chip-seconds; capacity weighs sixty times millionths of weighted tokens, as
-- its minutes and the pool's base come to them, and what is served beyond it does not count.
-- Keep: yes
WITH slots AS (
    SELECT DISTINCT
        c.pool, c.slot_start, c.slot_end,
        CAST(k.units * 1000000 AS DECIMAL(38, 0)) * k.tokens_per_unit_minute * DATE_DIFF('second', c.slot_start, c.slot_end) AS paid
    FROM pool_cells AS c
    INNER JOIN pool_capacity AS k ON k.pool = c.pool
),

served AS (
    SELECT s.pool, s.slot_start, s.slot_end, s.paid, LEAST(COALESCE(SUM(b.weight), CAST(0 AS DECIMAL(38, 0))) * 60, s.paid) AS used
    FROM slots AS s
    LEFT JOIN allocation_bases AS b ON b.pool = s.pool AND b.base_key IS NULL AND b.slot_start < s.slot_end AND b.slot_end > s.slot_start
    GROUP BY s.pool, s.slot_start, s.slot_end, s.paid
)

SELECT $billing_period AS billing_period, pool, slot_start, slot_end, state, team, model, weight
FROM chip_time
WHERE billing_period = $billing_period AND pool NOT IN (SELECT pool FROM pool_capacity)
UNION ALL
SELECT $billing_period, pool, slot_start, slot_end, 'serving', CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(used AS DECIMAL(38, 0))
FROM served
WHERE used > 0
UNION ALL
SELECT $billing_period, pool, slot_start, slot_end, 'idle', CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(paid - used AS DECIMAL(38, 0))
FROM served
WHERE paid > used
