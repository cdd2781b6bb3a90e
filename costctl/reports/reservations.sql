-- What teams booked of pools, what they used of it, what they left, and what of the pool's idle time that cost them; the last of a pool was booked by nobody.
-- Grain: one row per pool, team and currency; hours are chip-hours, or of bought capacity the hours of a unit.
-- Title: reservations
-- Calendar: usage
-- Wide: pool, team, booked_hours=booked h, used_hours=used h, used_percent=used%, idle_hours=idle h, cost=idle cost
-- Narrow: pool, team, booked_hours=booked h, used_hours=used h, idle_hours=idle h, cost=idle cost
-- Converts: cost
-- Empty: no pool has the idle policy by_reservation, or nothing is known of the time of its chips
WITH hours AS (
    SELECT
        r.pool, r.team, exact_quotient(SUM(r.booked), COALESCE(MAX(k.tokens_per_unit_minute), CAST(1 AS BIGINT)) * CAST('3600' AS DECIMAL(38, 0))) AS booked,
        exact_quotient(SUM(r.used), COALESCE(MAX(k.tokens_per_unit_minute), CAST(1 AS BIGINT)) * CAST('3600' AS DECIMAL(38, 0))) AS used,
        exact_quotient(SUM(r.idle), COALESCE(MAX(k.tokens_per_unit_minute), CAST(1 AS BIGINT)) * CAST('3600' AS DECIMAL(38, 0))) AS idle
    FROM reserved_time AS r
    LEFT JOIN pool_capacity AS k ON k.pool = r.pool
    WHERE CAST(r.slot_start AS DATE) >= $start AND CAST(r.slot_start AS DATE) < $end
    GROUP BY r.pool, r.team
),

costs AS (
    SELECT
        p.pool, p.team, p.BillingCurrency AS currency,
        SUM(measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost)) AS cost
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    INNER JOIN pools AS s ON s.pool = p.pool AND s.idle_policy = 'by_reservation'
    WHERE p.state = 'idle'
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
    GROUP BY p.pool, p.team, p.BillingCurrency
)

SELECT
    h.pool, h.team, millions(h.booked) AS booked_hours, millions(h.used) AS used_hours,
    CASE WHEN h.booked > 0 THEN TRY_CAST(exact_quotient(h.used * 100, h.booked) AS BIGINT) END AS used_percent,
    millions(h.idle) AS idle_hours, c.cost, c.currency
FROM hours AS h
LEFT JOIN costs AS c ON c.pool = h.pool AND c.team IS NOT DISTINCT FROM h.team
ORDER BY c.currency, h.pool, h.booked DESC, h.team
