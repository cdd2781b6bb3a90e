-- What a delivery added up to when it was read is what its live charges add up to now, per billing period and currency.
-- Grain: one row per delivery, period and currency where they differ.
WITH charged AS (
    SELECT
        delivery_id, billing_period, BillingCurrency, COUNT(*) AS charges,
        COALESCE(SUM(BilledCost), CAST('0' AS DECIMAL(38, 18))) AS billed, COALESCE(SUM(EffectiveCost), CAST('0' AS DECIMAL(38, 18))) AS effective,
        COALESCE(SUM(ListCost), CAST('0' AS DECIMAL(38, 18))) AS list, COALESCE(SUM(ContractedCost), CAST('0' AS DECIMAL(38, 18))) AS contracted
    FROM charges
    GROUP BY delivery_id, billing_period, BillingCurrency
)

SELECT
    COALESCE(t.delivery_id, c.delivery_id) AS delivery_id, COALESCE(t.billing_period, c.billing_period) AS period,
    COALESCE(t.BillingCurrency, c.BillingCurrency) AS currency, t.charges AS charges_read, c.charges, t.BilledCost AS billed_read, c.billed
FROM delivery_totals AS t
FULL JOIN charged AS c ON c.delivery_id = t.delivery_id AND c.billing_period = t.billing_period AND c.BillingCurrency = t.BillingCurrency
WHERE t.charges IS DISTINCT FROM c.charges OR t.BilledCost IS DISTINCT FROM c.billed OR t.EffectiveCost IS DISTINCT FROM c.effective
    OR t.ListCost IS DISTINCT FROM c.list OR t.ContractedCost IS DISTINCT FROM c.contracted
