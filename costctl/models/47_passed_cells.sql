-- What pools pass on to other pools, as cells of those: they are split again, by their own base.
-- Grain: one row per state cell and pool that it is passed on to.
-- Into: pool_cells
-- By level: yes
-- Empty without: pool_postings
SELECT
    MD5(ARRAY_TO_STRING([keyed(p.state_cell_id), keyed(p.to_pool)], '|')) AS cell_id, c.origin_cell,
    CASE WHEN c.passed_by IS NULL THEN c.pool ELSE CONCAT(c.passed_by, ' > ', c.pool) END AS passed_by,
    c.billing_period, p.to_pool AS pool, u.tokens_of AS unit, c.slot_start, c.slot_end, c.source, c.provider, c.BillingAccountId, c.InvoiceId,
    c.BillingCurrency, c.ChargeCategory, c.nature, c.chip, c.purchase_model, c.RegionId,
    MAX(p.grade) AS grade, SUM(p.BilledCost) AS BilledCost, SUM(p.EffectiveCost) AS EffectiveCost, SUM(p.ListCost) AS ListCost, SUM(p.ContractedCost) AS ContractedCost,
    SUM(p.rate_card_cost) AS rate_card_cost, CASE WHEN COUNT(*) = COUNT(p.chip_hours) THEN SUM(p.chip_hours) END AS chip_hours,
    CAST(SUM(CAST(p.billed_unknown AS DECIMAL(38, 0))) AS BIGINT) AS billed_unknown, CAST(SUM(CAST(p.effective_unknown AS DECIMAL(38, 0))) AS BIGINT) AS effective_unknown,
    CAST(SUM(CAST(p.list_unknown AS DECIMAL(38, 0))) AS BIGINT) AS list_unknown, CAST(SUM(CAST(p.contracted_unknown AS DECIMAL(38, 0))) AS BIGINT) AS contracted_unknown,
    CAST(SUM(CAST(p.rate_card_unknown AS DECIMAL(38, 0))) AS BIGINT) AS rate_card_unknown,
    BOOL_OR(p.billed_incomplete) AS billed_incomplete, BOOL_OR(p.effective_incomplete) AS effective_incomplete, BOOL_OR(p.list_incomplete) AS list_incomplete,
    BOOL_OR(p.contracted_incomplete) AS contracted_incomplete, BOOL_OR(p.rate_card_incomplete) AS rate_card_incomplete, c.is_unpriced
FROM pool_postings AS p
INNER JOIN pool_cells AS c ON c.cell_id = p.cell_id
INNER JOIN state_cells AS s ON s.state_cell_id = p.state_cell_id AND s.level = $level
INNER JOIN pools AS u ON u.pool = p.to_pool
GROUP BY ALL
