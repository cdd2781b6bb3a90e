-- What of the cell passes between the owner of a pool that is charged onward and those who used it: cost, recharged, markup.
-- Grain: one row per recharge. markup is in millionths of a percent.
SELECT
    recharge, billing_period, day, pool, entry, kind, owner, used_by, team, model, purpose, BillingCurrency, markup,
    BilledCost, EffectiveCost, ListCost, ContractedCost
FROM explained_recharges
