-- The bridge from billed to effective cost holds every charge: its parts sum to the charges, per billing account, period and currency.
-- Grain: one row per billing account, period and currency where they differ. The charges are as their groups hold them.
WITH charged AS (
    SELECT
        BillingAccountId, billing_period, BillingCurrency, SUM(CAST(row_count AS DECIMAL(38, 0))) AS row_count, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective,
        SUM(CAST(billed_unknown + effective_unknown AS DECIMAL(38, 0))) AS unknown
    FROM charge_groups
    GROUP BY BillingAccountId, billing_period, BillingCurrency
),

bridged AS (
    SELECT
        BillingAccountId, billing_period, BillingCurrency, SUM(CAST(row_count AS DECIMAL(38, 0))) AS row_count, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective,
        SUM(CAST(billed_unknown + effective_unknown AS DECIMAL(38, 0))) AS unknown
    FROM billed_to_effective
    GROUP BY BillingAccountId, billing_period, BillingCurrency
)

SELECT
    COALESCE(c.BillingAccountId, b.BillingAccountId) AS account, COALESCE(c.billing_period, b.billing_period) AS period,
    COALESCE(c.BillingCurrency, b.BillingCurrency) AS currency, c.billed AS charged_billed, b.billed AS bridged_billed,
    c.effective AS charged_effective, b.effective AS bridged_effective
FROM charged AS c
FULL JOIN bridged AS b ON b.BillingAccountId IS NOT DISTINCT FROM c.BillingAccountId AND b.billing_period = c.billing_period AND b.BillingCurrency = c.BillingCurrency
WHERE c.row_count IS DISTINCT FROM b.row_count OR c.billed IS DISTINCT FROM b.billed OR c.effective IS DISTINCT FROM b.effective
    OR c.unknown IS DISTINCT FROM b.unknown
