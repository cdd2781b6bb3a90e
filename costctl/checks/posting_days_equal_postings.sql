-- The days of a posting add up to it, for every cost and for its chip-hours.
-- Grain: one row per posting where they differ.
WITH daily AS (
    SELECT
        billing_period, posting_id, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective, SUM(ListCost) AS list,
        SUM(ContractedCost) AS contracted, SUM(rate_card_cost) AS rate_card, SUM(chip_hours) AS chip_hours
    FROM posting_days
    GROUP BY billing_period, posting_id
)

SELECT p.billing_period AS period, p.posting_id, p.EffectiveCost AS posted, d.effective AS in_days
FROM postings AS p
LEFT JOIN daily AS d ON d.billing_period = p.billing_period AND d.posting_id = p.posting_id
WHERE p.BilledCost IS DISTINCT FROM d.billed OR p.EffectiveCost IS DISTINCT FROM d.effective OR p.ListCost IS DISTINCT FROM d.list
    OR p.ContractedCost IS DISTINCT FROM d.contracted OR p.rate_card_cost IS DISTINCT FROM d.rate_card OR p.chip_hours IS DISTINCT FROM d.chip_hours
