-- Postings by UTC day: one within a day stands as it is, a longer one is apportioned by its seconds in each day.
-- Grain: one row per posting and day.
-- Keep: yes
SELECT billing_period, booked_period, posting_id, day, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours
FROM long_days
UNION ALL
SELECT billing_period, booked_period, posting_id, CAST(slot_start AS DATE), BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours
FROM postings
WHERE billing_period = $billing_period AND slot_end <= CAST(DATE_TRUNC('day', slot_start) AS TIMESTAMP) + INTERVAL 1 DAY
