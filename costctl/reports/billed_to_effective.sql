-- From billed to effective cost per provider: what was prepaid, amortised, negated, not drawn, credited and taxed; each part's difference sums to the whole.
-- Grain: one row per provider, part and currency. Billed + difference = effective, of each row and of their sums, always.
-- Title: billed to effective
-- Calendar: billing
-- Wide: provider, part, billed, difference, effective, charges, unknown_costs=unknown
-- Narrow: provider, part, billed, difference, effective
-- Subtotal: provider
-- Converts: billed, effective = billed + difference
SELECT
    provider, part, SUM(BilledCost) AS billed, SUM(EffectiveCost) - SUM(BilledCost) AS difference, SUM(EffectiveCost) AS effective,
    CAST(SUM(CAST(row_count AS DECIMAL(38, 0))) AS BIGINT) AS charges,
    CAST(SUM(CAST(billed_unknown + effective_unknown AS DECIMAL(38, 0))) AS BIGINT) AS unknown_costs, BillingCurrency AS currency
FROM billed_to_effective
WHERE billing_period >= $start AND billing_period < $end
GROUP BY provider, place, part, BillingCurrency
ORDER BY BillingCurrency, provider, place
