-- The postings of the cell, as the report adds them up (in_cell), and those that its recharges are of.
-- Grain: one row per billing_period and posting_id. base of base_total, by method, is the share; passed_by names the pools that it came through.
SELECT
    p.billing_period, p.posting_id, p.kind, p.team, p.model, p.purpose, p.pool, p.passed_by, p.state, p.rule, p.method, p.reason, p.slot_start, p.slot_end,
    p.source, p.provider, p.BillingAccountId, p.InvoiceId, p.BillingCurrency, p.ChargeCategory, p.RegionId, p.chip, p.purchase_model, p.base, p.base_total,
    p.BilledCost, p.EffectiveCost, p.ListCost, p.ContractedCost, e.in_cell
FROM explained_postings AS e
INNER JOIN postings AS p ON p.billing_period = e.billing_period AND p.posting_id = e.posting_id
