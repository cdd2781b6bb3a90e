-- What a delivery added up to when it was read is what its live charges add up to now, per billing period and currency.
-- Grain: one row per delivery, period and currency where they differ.
-- Of: charges
WITH charged AS (
    SELECT
        delivery_id, billing_period, BillingCurrency, COUNT(*) AS charges,
        COALESCE(SUM(BilledCost), CAST('0' AS DECIMAL(38, 18))) AS billed, COALESCE(SUM(EffectiveCost), CAST('0' AS DECIMAL(38, 18))) AS effective,
        COALESCE(SUM(ListCost), CAST('0' AS DECIMAL(38, 18))) AS list, COALESCE(SUM(ContractedCost), CAST('0' AS DECIMAL(38, 18))) AS contracted
    FROM charges
    GROUP BY delivery_id, billing_period, BillingCurrency
),

-- those of superseded deliveries, which have no charges, are history
read AS (
    SELECT
        t.delivery_id, t.billing_period, t.BillingCurrency, SUM(CAST(t.charges AS DECIMAL(38, 0))) AS charges,
        SUM(t.BilledCost) AS BilledCost, SUM(t.EffectiveCost) AS EffectiveCost, SUM(t.ListCost) AS ListCost, SUM(t.ContractedCost) AS ContractedCost
    FROM delivery_totals AS t
    LEFT JOIN delivery_periods AS p ON p.delivery_id = t.delivery_id AND p.period = t.billing_period AND p.live
    LEFT JOIN charged AS h ON h.delivery_id = t.delivery_id AND h.billing_period = t.billing_period AND h.BillingCurrency = t.BillingCurrency
    WHERE p.delivery_id IS NOT NULL OR h.delivery_id IS NOT NULL
    GROUP BY t.delivery_id, t.billing_period, t.BillingCurrency
)

SELECT
    COALESCE(t.delivery_id, c.delivery_id) AS delivery_id, COALESCE(t.billing_period, c.billing_period) AS period,
    COALESCE(t.BillingCurrency, c.BillingCurrency) AS currency, t.charges AS charges_read, c.charges, t.BilledCost AS billed_read, c.billed
FROM read AS t
FULL JOIN charged AS c ON c.delivery_id = t.delivery_id AND c.billing_period = t.billing_period AND c.BillingCurrency = t.BillingCurrency
WHERE t.charges IS DISTINCT FROM CAST(c.charges AS DECIMAL(38, 0)) OR t.BilledCost IS DISTINCT FROM c.billed OR t.EffectiveCost IS DISTINCT FROM c.effective
    OR t.ListCost IS DISTINCT FROM c.list OR t.ContractedCost IS DISTINCT FROM c.contracted
