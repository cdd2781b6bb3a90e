-- Charge groups with the names they are attributed to: team and model through their aliases, the nature of the cost.
-- Grain: one row per charge group. bought_model is the name as billed where no alias knows it, so that two unknown models stay two. is_bought are
-- tokens of a provider outside the pools, shared by counts or one team's by its tag. unit is what tokens and costs meet on: a pool (the one
-- whose tokens it goes by), a bought model, or a team's own model.
WITH roster AS (SELECT COUNT(*) AS teams FROM team_aliases),

named AS (
    SELECT
        g.billing_period, g.group_id, g.source, g.slot_start, g.slot_end, g.provider, g.BillingAccountId, g.InvoiceId, g.BillingCurrency,
        g.ChargeCategory, g.RegionId, g.unit AS billed_unit, g.x_machine, g.x_purchase_model,
        g.x_model_raw, g.x_token_class, g.rule, g.raw_team, g.pool, g.quantity, g.quantity_unknown, g.row_count,
        g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, g.billed_unknown, g.effective_unknown, g.list_unknown, g.contracted_unknown,
        g.billed_incomplete, g.effective_incomplete, g.list_incomplete, g.contracted_incomplete, g.is_unpriced,
        CASE
            WHEN g.source = 'own' AND g.ServiceName = 'Manual adjustment' THEN 'manual'
            WHEN g.source = 'own' AND g.ServiceName = 'Prepaid schedule' AND g.ChargeCategory = 'Purchase' THEN 'prepaid'
            WHEN g.ChargeCategory = 'Tax' THEN 'tax'
            WHEN g.ChargeCategory = 'Credit' THEN 'credit'
            WHEN g.ChargeCategory = 'Purchase' THEN 'fee'
            WHEN g.CommitmentDiscountStatus = 'Unused' OR g.x_purchase_model = 'capacity_reservation' THEN 'unused'
            ELSE 'usage'
        END AS nature,
        CASE WHEN t.team IS NOT NULL THEN t.team WHEN r.teams = 0 THEN TRIM(g.raw_team) END AS team,
        COALESCE(declared.model, LOWER(TRIM(g.raw_model)), billed.model, 'unknown') AS model,
        COALESCE(billed.model, LOWER(TRIM(g.x_model_raw)), 'unknown') AS bought_model,
        COALESCE(g.pool, 'api') = 'api' AND (g.pool IS NOT NULL OR g.x_token_class IS NOT NULL) AS is_bought,
        COALESCE(LOWER(TRIM(g.raw_purpose)), t.purpose, 'unknown') AS purpose, LOWER(COALESCE(m.machine, TRIM(g.x_machine))) AS machine, p.tokens_of
    FROM charge_groups AS g
    CROSS JOIN roster AS r
    LEFT JOIN team_aliases AS t ON t.raw = LOWER(TRIM(g.raw_team))
        AND CAST(g.slot_start AS DATE) >= t.valid_from AND CAST(g.slot_start AS DATE) < t.valid_to
    LEFT JOIN model_names AS declared ON declared.billing_period = g.billing_period AND declared.raw = LOWER(TRIM(g.raw_model))
        AND CAST(g.slot_start AS DATE) >= declared.valid_from AND CAST(g.slot_start AS DATE) < declared.valid_to
    LEFT JOIN model_names AS billed ON billed.billing_period = g.billing_period AND billed.raw = LOWER(TRIM(g.x_model_raw))
        AND CAST(g.slot_start AS DATE) >= billed.valid_from AND CAST(g.slot_start AS DATE) < billed.valid_to
    LEFT JOIN machines AS m ON m.provider = g.provider AND m.name = LOWER(TRIM(g.x_machine))
    LEFT JOIN pools AS p ON p.pool = g.pool
    WHERE g.billing_period = $billing_period
)

SELECT
    billing_period, group_id, source, slot_start, slot_end, provider, BillingAccountId, InvoiceId, BillingCurrency,
    ChargeCategory, RegionId, billed_unit, x_machine, x_purchase_model, x_model_raw, x_token_class, rule, raw_team, pool,
    nature, team, model, bought_model, purpose, is_bought,
    CASE
        WHEN is_bought THEN CONCAT('api/', provider, '/', bought_model)
        WHEN pool IS NOT NULL THEN COALESCE(tokens_of, pool)
        WHEN model = 'unknown' THEN CONCAT(COALESCE(team, '-'), '/unknown/', COALESCE(machine, '-'))
        ELSE CONCAT(COALESCE(team, '-'), '/', model)
    END AS unit,
    quantity, quantity_unknown, row_count, BilledCost, EffectiveCost, ListCost, ContractedCost,
    billed_unknown, effective_unknown, list_unknown, contracted_unknown,
    billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, is_unpriced
FROM named
