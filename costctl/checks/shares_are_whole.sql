-- The weights of a pool's slot are not zero and add up to the total they are a part of.
-- Grain: one row per pool, slot and share_key where they do not.
SELECT billing_period AS period, pool, slot_start, share_key, SUM(weight) AS weights, MAX(total) AS total
FROM allocation_shares
GROUP BY billing_period, pool, slot_start, slot_end, share_key
HAVING SUM(weight) <> MAX(total) OR MIN(total) <> MAX(total) OR MIN(ABS(weight)) = 0
