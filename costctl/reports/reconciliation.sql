-- Charges against postings, for each cost, per provider, billing account, invoice, billing period and currency; the difference is 0.
-- Grain: one row per provider, billing account, invoice, billing period and currency.
-- Title: reconciliation
-- Calendar: billing
-- Wide: provider, account, invoice, period, billed, effective, list, contracted, difference, unknown_costs=unknown
-- Narrow: provider, account, period, billed, effective, difference
WITH charged AS (
    SELECT
        provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency,
        SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective, SUM(ListCost) AS list, SUM(ContractedCost) AS contracted,
        SUM(CAST(billed_unknown AS DECIMAL(38, 0))) AS billed_unknown, SUM(CAST(effective_unknown AS DECIMAL(38, 0))) AS effective_unknown,
        SUM(CAST(list_unknown AS DECIMAL(38, 0))) AS list_unknown, SUM(CAST(contracted_unknown AS DECIMAL(38, 0))) AS contracted_unknown,
        SUM(CAST(row_count AS DECIMAL(38, 0))) AS row_count
    FROM charge_groups
    WHERE billing_period >= $start AND billing_period < $end
    GROUP BY ALL
),

posted AS (
    SELECT
        provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency,
        SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective, SUM(ListCost) AS list, SUM(ContractedCost) AS contracted
    FROM postings
    WHERE billing_period >= $start AND billing_period < $end
    GROUP BY ALL
)

SELECT
    c.provider, c.BillingAccountId AS account, c.InvoiceId AS invoice, c.billing_period AS period,
    CASE WHEN c.billed_unknown < c.row_count THEN c.billed END AS billed, CASE WHEN c.effective_unknown < c.row_count THEN c.effective END AS effective,
    CASE WHEN c.list_unknown < c.row_count THEN c.list END AS list, CASE WHEN c.contracted_unknown < c.row_count THEN c.contracted END AS contracted,
    p.billed AS posted_billed, p.effective AS posted_effective, p.list AS posted_list, p.contracted AS posted_contracted,
    ABS(c.billed - p.billed) + ABS(c.effective - p.effective) + ABS(c.list - p.list) + ABS(c.contracted - p.contracted) AS difference,
    CAST(c.billed_unknown + c.effective_unknown + c.list_unknown + c.contracted_unknown AS BIGINT) AS unknown_costs, c.BillingCurrency AS currency
FROM charged AS c
LEFT JOIN posted AS p ON p.provider = c.provider AND p.BillingAccountId IS NOT DISTINCT FROM c.BillingAccountId
    AND p.InvoiceId IS NOT DISTINCT FROM c.InvoiceId AND p.billing_period = c.billing_period AND p.BillingCurrency = c.BillingCurrency
ORDER BY c.billing_period, c.provider, c.BillingAccountId, c.InvoiceId, c.BillingCurrency
