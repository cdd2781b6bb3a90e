-- What the live deliveries of the period added up to when they were read: the bill that the report must reach.
-- Grain: one row per currency.
SELECT
    t.BillingCurrency AS currency,
    SUM(measured($cost, t.BilledCost, t.EffectiveCost, t.ListCost, t.ContractedCost, NULL)) AS bill
FROM delivery_totals AS t
INNER JOIN delivery_periods AS p ON p.delivery_id = t.delivery_id AND p.period = t.billing_period AND p.live
WHERE t.billing_period >= $start AND t.billing_period < $end
GROUP BY t.BillingCurrency
ORDER BY t.BillingCurrency
