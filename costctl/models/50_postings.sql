-- The cost ledger: every charge group and every part of a pool as one posting of one kind.
-- Grain: one row per posting_id. Summed per billing account, invoice, period and currency the postings equal the charges. chip_hours is NULL
-- where accelerators were bought and their number is not known.
-- Keep: yes
WITH posted AS (
    SELECT
        g.group_id AS origin, CAST(NULL AS VARCHAR) AS pool, g.unit, g.nature, CAST(NULL AS VARCHAR) AS state,
        CASE WHEN g.team IS NULL AND g.nature = 'unused' THEN o.team ELSE g.team END AS team, g.model, g.purpose, g.rule, 'direct' AS method,
        CASE
            WHEN g.team IS NULL AND g.raw_team IS NOT NULL THEN CONCAT('unknown team ', g.raw_team)
            WHEN g.team IS NULL THEN 'no rule or tag names a team'
        END AS reason,
        g.slot_start, g.slot_end, g.source, g.provider, g.BillingAccountId, g.InvoiceId, g.BillingCurrency, g.ChargeCategory, g.RegionId,
        h.chip, g.x_purchase_model AS purchase_model, CAST(NULL AS DECIMAL(38, 0)) AS base, CAST(NULL AS DECIMAL(38, 0)) AS base_total,
        g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, k.rate_card_cost,
        CASE WHEN n.group_id IS NULL THEN CAST(COALESCE(h.chip_hours, CAST('0' AS DECIMAL(18, 6))) AS DECIMAL(38, 18)) END AS chip_hours,
        g.billed_unknown, g.effective_unknown, g.list_unknown, g.contracted_unknown, k.rate_card_unknown,
        g.billed_incomplete, g.effective_incomplete, g.list_incomplete, g.contracted_incomplete, k.rate_card_incomplete, g.is_unpriced,
        CAST(NULL AS VARCHAR) AS cell, CAST(NULL AS VARCHAR) AS passed_by, e.grade
    FROM attributed_groups AS g
    CROSS JOIN capacity_owner AS o
    INNER JOIN card_costs AS k ON k.group_id = g.group_id AND k.billing_period = g.billing_period
    INNER JOIN charge_evidence AS e ON e.group_id = g.group_id
    LEFT JOIN chip_hours AS h ON h.group_id = g.group_id
    LEFT JOIN unknown_machines AS n ON n.group_id = g.group_id AND n.billing_period = g.billing_period
    WHERE g.pool IS NULL
    UNION ALL
    SELECT
        p.state_cell_id, p.pool, c.unit, p.nature, p.state, CASE WHEN p.team IS NULL AND p.nature = 'unused' THEN o.team ELSE p.team END,
        p.model, p.purpose, CAST(NULL AS INTEGER), p.method, p.reason,
        c.slot_start, c.slot_end, c.source, c.provider, c.BillingAccountId, c.InvoiceId, c.BillingCurrency, c.ChargeCategory, c.RegionId,
        c.chip, c.purchase_model, p.weight, p.total, p.BilledCost, p.EffectiveCost, p.ListCost, p.ContractedCost, p.rate_card_cost, p.chip_hours,
        p.billed_unknown, p.effective_unknown, p.list_unknown, p.contracted_unknown, p.rate_card_unknown,
        p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete, c.is_unpriced, c.origin_cell, c.passed_by, p.grade
    FROM pool_postings AS p
    CROSS JOIN capacity_owner AS o
    INNER JOIN pool_cells AS c ON c.cell_id = p.cell_id
    WHERE p.to_pool IS NULL
)

SELECT
    $billing_period AS billing_period, $billing_period AS booked_period,
    MD5(ARRAY_TO_STRING([keyed(p.origin), keyed(p.pool), keyed(p.team), keyed(p.model), keyed(p.purpose), keyed(p.method)], '|')) AS posting_id,
    CASE
        WHEN p.nature IN ('credit', 'fee', 'tax', 'prepaid', 'manual') THEN p.nature
        WHEN p.is_unpriced THEN 'unpriced'
        WHEN p.nature = 'unused' THEN 'unused'
        WHEN p.state IN ('idle', 'maintenance') THEN 'idle'
        WHEN p.team IS NULL THEN 'unallocated'
        WHEN p.pool IS NOT NULL THEN 'shared'
        ELSE 'direct'
    END AS kind,
    p.origin, p.cell, p.passed_by, p.team, p.model, p.purpose, p.pool, p.unit, p.state, p.rule, p.method, CASE WHEN p.team IS NULL THEN p.reason END AS reason, grade_named(p.grade) AS evidence,
    p.slot_start, p.slot_end, p.source, p.provider, p.BillingAccountId, p.InvoiceId, p.BillingCurrency, p.ChargeCategory, p.RegionId,
    p.chip, p.purchase_model, u.chip AS unit_chip, u.source_label AS unit_source, p.base, p.base_total,
    p.BilledCost, p.EffectiveCost, p.ListCost, p.ContractedCost, p.rate_card_cost, p.chip_hours,
    p.billed_unknown, p.effective_unknown, p.list_unknown, p.contracted_unknown, p.rate_card_unknown,
    p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete
FROM posted AS p
LEFT JOIN unit_sources AS u ON u.unit = p.unit
