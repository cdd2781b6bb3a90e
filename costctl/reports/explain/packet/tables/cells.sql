-- The pool cells that the cell has a part of: what a pool costs in a slot, apart by everything that a share keeps apart.
-- Grain: one row per cell_id. depth counts the pools that it was passed on by; passed_on_by is the state cell that it is a part of.
SELECT DISTINCT
    c.cell_id, c.billing_period, c.pool, c.slot_start, c.slot_end, c.source, c.provider, c.BillingAccountId, c.InvoiceId, c.BillingCurrency, c.ChargeCategory,
    c.chip, c.purchase_model, c.RegionId, c.passed_by, x.passed_on_by,
    CASE WHEN c.passed_by IS NULL THEN 0 ELSE 1 + CAST((LENGTH(c.passed_by) - LENGTH(REPLACE(c.passed_by, ' > ', ''))) / 3 AS INTEGER) END AS depth,
    c.BilledCost, c.EffectiveCost, c.ListCost, c.ContractedCost
FROM packed_path AS x
INNER JOIN pool_cells AS c ON c.cell_id = x.cell_id
WHERE c.billing_period = $billing_period
