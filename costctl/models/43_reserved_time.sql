-- Chip time that teams booked in a pool, what they used of it, and what idle time each of them bears: what is booked and left, the rest the pool's owner.
-- Grain: one row per pool, slot, team and method, weighed as in pool_time; a unit of bought capacity is booked as a chip is. What runs for several teams at once is used by them as they take part in the
-- pool's base. Teams that together left more than was idle bear it in proportion.
-- Empty without: pool_time
-- Keep: yes
WITH slots AS (
    SELECT t.pool, t.slot_start, t.slot_end, SUM(CASE WHEN t.state = 'idle' THEN t.weight ELSE CAST(0 AS DECIMAL(38, 0)) END) AS idle
    FROM pool_time AS t
    INNER JOIN pools AS p ON p.pool = t.pool AND p.idle_policy = 'by_reservation'
    WHERE t.billing_period = $billing_period
    GROUP BY t.pool, t.slot_start, t.slot_end
),

booked AS (
    SELECT
        s.pool, s.slot_start, s.slot_end, COALESCE(o.team, r.team) AS team,
        SUM(CAST(r.chips * 1000000 AS DECIMAL(38, 0)) * COALESCE(k.tokens_per_unit_minute, CAST(1 AS BIGINT))
            * DATE_DIFF('second', GREATEST(s.slot_start, CAST(r.valid_from AS TIMESTAMP)), LEAST(s.slot_end, CAST(r.valid_to AS TIMESTAMP)))) AS booked
    FROM slots AS s
    INNER JOIN pool_reservations AS r ON r.pool = s.pool AND CAST(r.valid_from AS TIMESTAMP) < s.slot_end AND CAST(r.valid_to AS TIMESTAMP) > s.slot_start
    LEFT JOIN pool_capacity AS k ON k.pool = s.pool
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(r.team) AND CAST(s.slot_start AS DATE) >= o.valid_from AND CAST(s.slot_start AS DATE) < o.valid_to
    GROUP BY s.pool, s.slot_start, s.slot_end, COALESCE(o.team, r.team)
),

bases AS (
    SELECT s.pool, s.slot_start, s.slot_end, b.team, SUM(b.weight) AS weight, SUM(SUM(b.weight)) OVER (PARTITION BY s.pool, s.slot_start, s.slot_end) AS total
    FROM slots AS s
    INNER JOIN allocation_bases AS b ON b.pool = s.pool AND b.base_key IS NULL AND b.slot_start < s.slot_end AND b.slot_end > s.slot_start
    GROUP BY s.pool, s.slot_start, s.slot_end, b.team
),

working AS (
    SELECT t.pool, t.slot_start, t.slot_end, t.team, SUM(t.weight) AS used
    FROM pool_time AS t
    INNER JOIN slots AS s ON s.pool = t.pool AND s.slot_start = t.slot_start AND s.slot_end = t.slot_end
    WHERE t.billing_period = $billing_period AND t.state IN ('serving', 'training', 'startup')
    GROUP BY t.pool, t.slot_start, t.slot_end, t.team
),

used AS (
    SELECT pool, slot_start, slot_end, team, used
    FROM working
    WHERE team IS NOT NULL
    UNION ALL
    SELECT w.pool, w.slot_start, w.slot_end, b.team, exact_quotient(w.used * b.weight, b.total)
    FROM working AS w
    INNER JOIN bases AS b ON b.pool = w.pool AND b.slot_start = w.slot_start AND b.slot_end = w.slot_end
    WHERE w.team IS NULL AND b.team IS NOT NULL AND b.total > 0
),

by_team AS (
    SELECT
        COALESCE(b.pool, u.pool) AS pool, COALESCE(b.slot_start, u.slot_start) AS slot_start, COALESCE(b.slot_end, u.slot_end) AS slot_end, COALESCE(b.team, u.team) AS team,
        COALESCE(b.booked, CAST(0 AS DECIMAL(38, 0))) AS booked, COALESCE(u.used, CAST(0 AS DECIMAL(38, 0))) AS used
    FROM booked AS b
    FULL JOIN (SELECT pool, slot_start, slot_end, team, SUM(used) AS used FROM used GROUP BY pool, slot_start, slot_end, team) AS u
        ON u.pool = b.pool AND u.slot_start = b.slot_start AND u.slot_end = b.slot_end AND u.team = b.team
),

left_over AS (
    SELECT pool, slot_start, slot_end, SUM(GREATEST(booked - used, CAST(0 AS DECIMAL(38, 0)))) AS idle
    FROM by_team
    GROUP BY pool, slot_start, slot_end
)

SELECT $billing_period AS billing_period, pool, slot_start, slot_end, team, 'booked' AS method, booked, used, GREATEST(booked - used, CAST(0 AS DECIMAL(38, 0))) AS idle
FROM by_team
UNION ALL
SELECT $billing_period, s.pool, s.slot_start, s.slot_end, p.idle_owner, 'not booked', CAST(0 AS DECIMAL(38, 0)), CAST(0 AS DECIMAL(38, 0)), s.idle - COALESCE(l.idle, CAST(0 AS DECIMAL(38, 0)))
FROM slots AS s
INNER JOIN pools AS p ON p.pool = s.pool
LEFT JOIN left_over AS l ON l.pool = s.pool AND l.slot_start = s.slot_start AND l.slot_end = s.slot_end
WHERE s.idle > COALESCE(l.idle, CAST(0 AS DECIMAL(38, 0)))
