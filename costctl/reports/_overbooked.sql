-- Pools of which teams booked more than was paid, chips by all bills of a slot and bought capacity by its units: the slots, and the worst of them.
-- Grain: one row per pool; booked and paid are weighed as in pool_time.
WITH booked AS (
    SELECT pool, slot_start, slot_end, MAX(booked) AS booked
    FROM (SELECT pool, billing_period, slot_start, slot_end, SUM(booked) AS booked FROM reserved_time GROUP BY pool, billing_period, slot_start, slot_end) AS r
    GROUP BY pool, slot_start, slot_end
),

bought AS (
    SELECT pool, slot_start, slot_end, SUM(paid) AS paid
    FROM (SELECT DISTINCT pool, billing_period, slot_start, slot_end, paid FROM chip_time WHERE pool NOT IN (SELECT pool FROM pool_capacity)) AS c
    GROUP BY pool, slot_start, slot_end
    UNION ALL
    SELECT pool, slot_start, slot_end, MAX(paid)
    FROM (SELECT pool, billing_period, slot_start, slot_end, SUM(weight) AS paid FROM pool_time WHERE pool IN (SELECT pool FROM pool_capacity) GROUP BY pool, billing_period, slot_start, slot_end) AS u
    GROUP BY pool, slot_start, slot_end
),

beyond AS (
    SELECT
        b.pool, b.booked, p.paid, DATE_DIFF('second', b.slot_start, b.slot_end) AS seconds, COUNT(*) OVER (PARTITION BY b.pool) AS slots,
        MIN(b.slot_start) OVER (PARTITION BY b.pool) AS since, ROW_NUMBER() OVER (PARTITION BY b.pool ORDER BY b.booked - p.paid DESC, b.slot_start, b.slot_end) AS place
    FROM booked AS b
    INNER JOIN bought AS p ON p.pool = b.pool AND p.slot_start = b.slot_start AND p.slot_end = b.slot_end
    WHERE b.booked > p.paid AND b.slot_start >= $start AND b.slot_start < $end
)

SELECT b.pool, s.grain, k.tokens_per_unit_minute, b.slots, b.since, b.booked, b.paid, b.seconds
FROM beyond AS b
INNER JOIN pools AS s ON s.pool = b.pool
LEFT JOIN pool_capacity AS k ON k.pool = b.pool
WHERE b.place = 1
ORDER BY b.pool
