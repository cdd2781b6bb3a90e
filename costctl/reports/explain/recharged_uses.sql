-- What was used and charged by internal rates: quantities times prices, that add up to a recharge.
-- Grain: one row per recharge, unit, token class and rate.
SELECT r.recharge, u.unit, u.token_class, u.rate, u.quantity, u.price
FROM explained_recharges AS r
INNER JOIN recharged_use AS u ON u.billing_period = r.billing_period AND u.pool = r.pool AND u.day = r.day AND u.team = r.used_by AND u.model = r.model
    AND u.purpose = r.purpose AND u.currency = r.BillingCurrency AND u.evidence = r.evidence
WHERE r.kind = 'recharge' AND u.amount IS NOT NULL
