-- What one team is charged onward another has less: recharges sum to 0 in every cost, and of a recharged pool's cost nothing stays with those that it was taken from.
-- Grain: one row per billing period, pool, entry, kind and currency that do not; then one per day and team that used a recharged pool and bears some of its cost.
SELECT billing_period AS period, pool, entry, kind, CAST(NULL AS VARCHAR) AS team, BillingCurrency AS currency, SUM(EffectiveCost) AS effective
FROM recharges
GROUP BY billing_period, pool, entry, kind, BillingCurrency
HAVING SUM(BilledCost) <> 0 OR SUM(EffectiveCost) <> 0 OR SUM(ListCost) <> 0 OR SUM(ContractedCost) <> 0 OR SUM(rate_card_cost) <> 0
UNION ALL
SELECT billing_period, pool, 'cost', kind, team, BillingCurrency, SUM(effective)
FROM (
    SELECT r.billing_period, r.pool, r.day, r.kind, r.team, r.BillingCurrency, r.EffectiveCost AS effective
    FROM recharges AS r
    WHERE r.entry = 'cost' AND r.team = r.used_by
    UNION ALL
    SELECT p.billing_period, p.pool, d.day, p.kind, p.team, p.BillingCurrency, d.EffectiveCost
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    INNER JOIN (SELECT DISTINCT billing_period, pool, day, kind, used_by, BillingCurrency FROM recharges WHERE entry = 'cost') AS u
        ON u.billing_period = p.billing_period AND u.pool = p.pool AND u.day = d.day AND u.kind = p.kind AND u.used_by = p.team AND u.BillingCurrency = p.BillingCurrency
) AS sides
GROUP BY billing_period, pool, day, kind, team, BillingCurrency
HAVING SUM(effective) <> 0
