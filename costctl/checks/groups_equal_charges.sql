-- Every charge is in exactly one charge group: rows, the four costs and the counts of unknown ones agree per source, scope and everything that postings are summed by.
-- Grain: one row per source, scope, provider, billing account, invoice, period and currency where they differ.
-- Of: charges
WITH charged AS (
    SELECT
        c.source, c.scope, COALESCE(p.provider, LOWER(c.ProviderName), '-') AS provider, c.BillingAccountId, c.InvoiceId, c.billing_period, c.BillingCurrency,
        CAST(COUNT(*) AS DECIMAL(38, 0)) AS row_count,
        COALESCE(SUM(c.BilledCost), CAST('0' AS DECIMAL(38, 18))) AS billed, COALESCE(SUM(c.EffectiveCost), CAST('0' AS DECIMAL(38, 18))) AS effective,
        COALESCE(SUM(c.ListCost), CAST('0' AS DECIMAL(38, 18))) AS list, COALESCE(SUM(c.ContractedCost), CAST('0' AS DECIMAL(38, 18))) AS contracted,
        CAST(COUNT(*) * 4 - COUNT(c.BilledCost) - COUNT(c.EffectiveCost) - COUNT(c.ListCost) - COUNT(c.ContractedCost) AS DECIMAL(38, 0)) AS unknown
    FROM charges AS c
    LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
    GROUP BY c.source, c.scope, COALESCE(p.provider, LOWER(c.ProviderName), '-'), c.BillingAccountId, c.InvoiceId, c.billing_period, c.BillingCurrency
),

grouped AS (
    SELECT
        source, scope, provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency, SUM(CAST(row_count AS DECIMAL(38, 0))) AS row_count,
        SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective, SUM(ListCost) AS list, SUM(ContractedCost) AS contracted,
        SUM(CAST(billed_unknown + effective_unknown + list_unknown + contracted_unknown AS DECIMAL(38, 0))) AS unknown
    FROM charge_groups
    GROUP BY source, scope, provider, BillingAccountId, InvoiceId, billing_period, BillingCurrency
)

SELECT
    COALESCE(c.source, g.source) AS source, COALESCE(c.scope, g.scope) AS scope, COALESCE(c.provider, g.provider) AS provider,
    COALESCE(c.BillingAccountId, g.BillingAccountId) AS account, COALESCE(c.InvoiceId, g.InvoiceId) AS invoice,
    COALESCE(c.billing_period, g.billing_period) AS period, COALESCE(c.BillingCurrency, g.BillingCurrency) AS currency,
    c.row_count AS charges, g.row_count AS grouped, c.billed AS charged_billed, g.billed AS grouped_billed, c.effective AS charged_effective, g.effective AS grouped_effective
FROM charged AS c
FULL JOIN grouped AS g ON g.source = c.source AND g.scope = c.scope AND g.provider = c.provider AND g.BillingAccountId IS NOT DISTINCT FROM c.BillingAccountId
    AND g.InvoiceId IS NOT DISTINCT FROM c.InvoiceId AND g.billing_period = c.billing_period AND g.BillingCurrency = c.BillingCurrency
WHERE c.row_count IS DISTINCT FROM g.row_count OR c.billed IS DISTINCT FROM g.billed OR c.effective IS DISTINCT FROM g.effective
    OR c.list IS DISTINCT FROM g.list OR c.contracted IS DISTINCT FROM g.contracted OR c.unknown IS DISTINCT FROM g.unknown
