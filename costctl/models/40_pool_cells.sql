-- What each pool costs, in cells that are split as one: a pool, a slot, and everything a share must keep apart.
-- Grain: one row per cell_id. Cells of the implicit pool `api` also keep the bought model and its token class apart. What another pool passes on comes
-- in cells of its own (passed_cells): origin_cell is the cell that the charges are in, passed_by names the pools that it came through.
WITH cells AS (
    SELECT
        g.billing_period, g.pool, g.unit, g.slot_start, g.slot_end, g.source, g.provider, g.BillingAccountId, g.InvoiceId, g.BillingCurrency,
        g.ChargeCategory, g.nature, h.chip, g.x_purchase_model AS purchase_model, g.RegionId,
        CASE WHEN g.pool = 'api' THEN g.bought_model END AS api_model, CASE WHEN g.pool = 'api' THEN g.model END AS model, CASE WHEN g.pool = 'api' THEN g.x_token_class END AS api_class,
        SUM(g.BilledCost) AS BilledCost, SUM(g.EffectiveCost) AS EffectiveCost, SUM(g.ListCost) AS ListCost, SUM(g.ContractedCost) AS ContractedCost,
        MAX(e.grade) AS grade, SUM(k.rate_card_cost) AS rate_card_cost, CAST(SUM(CAST(k.rate_card_unknown AS DECIMAL(38, 0))) AS BIGINT) AS rate_card_unknown,
        CASE WHEN COUNT(n.group_id) = 0 THEN SUM(CAST(COALESCE(h.chip_hours, CAST('0' AS DECIMAL(18, 6))) AS DECIMAL(38, 18))) END AS chip_hours,
        SUM(CASE WHEN g.pool = 'api' AND u.measure = 'token' THEN millionths_of_tokens(g.quantity, u.multiplier) END) AS billed_millionths,
        CAST(SUM(CAST(g.billed_unknown AS DECIMAL(38, 0))) AS BIGINT) AS billed_unknown,
        CAST(SUM(CAST(g.effective_unknown AS DECIMAL(38, 0))) AS BIGINT) AS effective_unknown,
        CAST(SUM(CAST(g.list_unknown AS DECIMAL(38, 0))) AS BIGINT) AS list_unknown,
        CAST(SUM(CAST(g.contracted_unknown AS DECIMAL(38, 0))) AS BIGINT) AS contracted_unknown,
        CAST(SUM(CAST(g.row_count AS DECIMAL(38, 0))) AS BIGINT) AS row_count, BOOL_AND(g.is_unpriced) AS is_unpriced,
        BOOL_OR(g.billed_incomplete) AS billed_incomplete, BOOL_OR(g.effective_incomplete) AS effective_incomplete, BOOL_OR(g.list_incomplete) AS list_incomplete,
        BOOL_OR(g.contracted_incomplete) AS contracted_incomplete, BOOL_OR(k.rate_card_incomplete) AS rate_card_incomplete
    FROM attributed_groups AS g
    INNER JOIN card_costs AS k ON k.group_id = g.group_id AND k.billing_period = g.billing_period
    INNER JOIN charge_evidence AS e ON e.group_id = g.group_id
    LEFT JOIN chip_hours AS h ON h.group_id = g.group_id
    LEFT JOIN unknown_machines AS n ON n.group_id = g.group_id AND n.billing_period = g.billing_period
    LEFT JOIN units AS u ON u.unit = LOWER(TRIM(g.billed_unit))
    WHERE g.pool IS NOT NULL
    GROUP BY ALL
),

identified AS (
    SELECT
        MD5(ARRAY_TO_STRING([
            CAST(billing_period AS VARCHAR), keyed(pool), keyed(unit), CAST(slot_start AS VARCHAR), CAST(slot_end AS VARCHAR), keyed(source),
            keyed(provider), keyed(BillingAccountId), keyed(InvoiceId), keyed(BillingCurrency), keyed(ChargeCategory), keyed(nature),
            keyed(chip), keyed(purchase_model), keyed(RegionId), keyed(api_model), keyed(api_class)
        ], '|')) AS cell_id,
        billing_period, pool, unit, slot_start, slot_end, source, provider, BillingAccountId, InvoiceId, BillingCurrency, ChargeCategory, nature,
        chip, purchase_model, RegionId, api_model, api_class, model, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours,
        exact_quotient(billed_millionths, CAST('1000000' AS DECIMAL(38, 0))) AS billed_tokens, billed_unknown, effective_unknown, list_unknown, contracted_unknown,
        rate_card_unknown, billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete, is_unpriced, grade
    FROM cells
)

SELECT
    cell_id, cell_id AS origin_cell, CAST(NULL AS VARCHAR) AS passed_by, billing_period, pool, unit, slot_start, slot_end, source, provider, BillingAccountId, InvoiceId,
    BillingCurrency, ChargeCategory, nature, chip, purchase_model, RegionId, api_model, api_class, model,
    BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours, billed_tokens,
    billed_unknown, effective_unknown, list_unknown, contracted_unknown, rate_card_unknown,
    billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete, is_unpriced, grade
FROM identified
