-- What each rule took of the open billing periods, or of those asked for; what fell to no rule is of rule 0.
-- Grain: one row per rule and currency; cost is of the charges whose cost is known, unknown the number of the others.
SELECT
    g.rule, CAST(SUM(CAST(g.row_count AS DECIMAL(38, 0))) AS BIGINT) AS charges, g.BillingCurrency AS currency,
    SUM(measured($cost, g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, CAST(NULL AS DECIMAL(38, 18)))) AS cost,
    CAST(SUM(CAST(measured($cost, g.billed_unknown, g.effective_unknown, g.list_unknown, g.contracted_unknown, CAST(NULL AS BIGINT)) AS DECIMAL(38, 0))) AS BIGINT) AS unknown
FROM charge_groups AS g
LEFT JOIN periods AS p ON p.billing_period = g.billing_period
WHERE CASE WHEN CAST($start AS DATE) IS NULL THEN COALESCE(p.state, 'open') = 'open' ELSE g.billing_period >= CAST($start AS DATE) AND g.billing_period < CAST($end AS DATE) END
GROUP BY g.rule, g.BillingCurrency
ORDER BY g.rule, g.BillingCurrency
