-- Direct cost in the slots in which it is a base: usage before credits that a rule or a tag gives to a team, or a rule to a pool.
-- Grain: one row per charge group and slot that it touches; a longer one has there what its seconds are of the whole. passed_to is the pool that has it.
-- Empty without: direct_slots
SELECT
    g.pool AS passed_to, g.team, CASE WHEN g.pool IS NULL THEN g.model END AS model, CASE WHEN g.pool IS NULL THEN g.purpose ELSE 'unknown' END AS purpose,
    g.BillingCurrency, d.grain, d.slot_start, d.slot_end,
    share_of(
        g.EffectiveCost, DATE_DIFF('second', GREATEST(g.slot_start, d.slot_start), LEAST(g.slot_end, d.slot_end)), DATE_DIFF('second', g.slot_start, g.slot_end)
    ) AS cost
FROM attributed_groups AS g
INNER JOIN direct_slots AS d ON d.slot_start < g.slot_end AND d.slot_end > g.slot_start
WHERE g.nature = 'usage' AND g.rule >= 0 AND (g.pool IS NOT NULL OR g.team IS NOT NULL)     -- below 0: what fell to a bearer
