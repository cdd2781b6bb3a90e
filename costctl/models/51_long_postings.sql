-- The postings that are longer than a day.
-- Grain: one row per posting.
SELECT billing_period, booked_period, posting_id, slot_start, slot_end, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours
FROM postings
WHERE billing_period = $billing_period AND slot_end > CAST(DATE_TRUNC('day', slot_start) AS TIMESTAMP) + INTERVAL 1 DAY
