-- The recharges of a cell in words: by pool, owner and user, what went to the owner, what it charges, by which rate, and its markup.
-- Grain: one row per pool, owner, user, entry, currency, rate and markup.
WITH rated AS (
    SELECT r.pool, r.owner, r.used_by, r.entry, r.BillingCurrency AS currency, u.unit, u.rate, u.price, u.quantity, CASE WHEN r.team = r.used_by THEN 1 ELSE -1 END AS side
    FROM explained_recharges AS r
    INNER JOIN explained_recharged_uses AS u ON u.recharge = r.recharge
    WHERE r.entry = 'recharged'
)

SELECT
    pool, owner, used_by, entry, currency, unit, rate, price, CAST(SUM(quantity) AS DECIMAL(38, 6)) AS quantity,
    SUM(CAST(quantity * price AS DECIMAL(38, 18)) * side) AS cost, CAST(NULL AS BIGINT) AS markup, 2 AS place
FROM rated
GROUP BY pool, owner, used_by, entry, currency, unit, rate, price
UNION ALL
SELECT
    r.pool, r.owner, r.used_by, r.entry, r.BillingCurrency, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS DECIMAL(19, 12)), CAST(NULL AS DECIMAL(38, 6)),
    SUM(measured($cost, r.BilledCost, r.EffectiveCost, r.ListCost, r.ContractedCost, r.rate_card_cost)), r.markup,
    CASE r.entry WHEN 'cost' THEN 1 WHEN 'recharged' THEN 2 ELSE 3 END
FROM explained_recharges AS r
WHERE NOT (r.entry = 'recharged' AND r.kind = 'recharge')
GROUP BY r.pool, r.owner, r.used_by, r.entry, r.BillingCurrency, r.markup
ORDER BY pool, owner, used_by, place, unit, rate, currency
