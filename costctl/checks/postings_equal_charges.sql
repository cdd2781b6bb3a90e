-- Conservation, per provider, billing account, invoice, billing period and currency the postings of each cost, and the counts of unknown ones, equal the charges as their groups sum them.
-- Grain: one row per provider, billing account, invoice, period and currency where they differ. That the groups equal the charges, by the same keys, is groups_equal_charges.
WITH charged AS (
    SELECT
        provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective,
        SUM(ListCost) AS list, SUM(ContractedCost) AS contracted,
        SUM(CAST(billed_unknown + effective_unknown + list_unknown + contracted_unknown AS DECIMAL(38, 0))) AS unknown
    FROM charge_groups
    GROUP BY provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency
),

posted AS (
    SELECT
        provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective,
        SUM(ListCost) AS list, SUM(ContractedCost) AS contracted,
        SUM(CAST(billed_unknown + effective_unknown + list_unknown + contracted_unknown AS DECIMAL(38, 0))) AS unknown
    FROM postings
    GROUP BY provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency
)

SELECT
    COALESCE(c.provider, p.provider) AS provider, COALESCE(c.BillingAccountId, p.BillingAccountId) AS account, COALESCE(c.InvoiceId, p.InvoiceId) AS invoice,
    COALESCE(c.billing_period, p.billing_period) AS period, COALESCE(c.BillingCurrency, p.BillingCurrency) AS currency,
    c.billed AS charged_billed, p.billed AS posted_billed, c.effective AS charged_effective, p.effective AS posted_effective
FROM charged AS c
FULL JOIN posted AS p ON p.provider = c.provider AND p.BillingAccountId IS NOT DISTINCT FROM c.BillingAccountId
    AND p.InvoiceId IS NOT DISTINCT FROM c.InvoiceId AND p.billing_period = c.billing_period AND p.BillingCurrency = c.BillingCurrency
WHERE c.billed IS DISTINCT FROM p.billed OR c.effective IS DISTINCT FROM p.effective OR c.list IS DISTINCT FROM p.list
    OR c.contracted IS DISTINCT FROM p.contracted OR c.unknown IS DISTINCT FROM p.unknown
