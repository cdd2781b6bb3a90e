-- The days of postings that recharges are of: the cost that went to the owner of a pool, and what it charges at cost; as models/60 sums them.
-- Grain: one row per recharge, posting and day.
SELECT r.recharge, p.billing_period, p.posting_id, d.day
FROM explained_recharges AS r
INNER JOIN postings AS p ON p.billing_period = r.billing_period AND p.pool = r.pool AND p.kind = r.kind AND p.team = r.used_by AND p.model = r.model
    AND p.purpose = r.purpose AND p.BillingCurrency = r.BillingCurrency AND p.evidence = r.evidence
INNER JOIN posting_days AS d ON d.billing_period = p.billing_period AND d.posting_id = p.posting_id AND d.day = r.day
WHERE NOT (p.kind = 'fee' AND p.BilledCost <> 0 AND p.EffectiveCost = 0 AND NOT p.effective_incomplete)
