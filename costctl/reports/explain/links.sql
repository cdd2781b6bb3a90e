-- Which postings each charge group of a billing period ends in: its own, or those of the pool cell it is part of, through whatever pools that was passed on.
-- Grain: one row per group and posting.
SELECT p.origin AS group_id, p.posting_id
FROM postings AS p
WHERE p.billing_period = $billing_period AND p.pool IS NULL
UNION ALL
SELECT g.group_id, p.posting_id
FROM postings AS p
INNER JOIN pool_cells AS c ON c.cell_id = p.cell
INNER JOIN attributed_groups AS g
    ON g.pool = c.pool AND g.unit = c.unit AND g.slot_start = c.slot_start AND g.slot_end = c.slot_end AND g.source = c.source
    AND g.provider = c.provider AND g.BillingCurrency = c.BillingCurrency AND g.ChargeCategory = c.ChargeCategory AND g.nature = c.nature
    AND g.BillingAccountId IS NOT DISTINCT FROM c.BillingAccountId AND g.InvoiceId IS NOT DISTINCT FROM c.InvoiceId
    AND g.x_purchase_model IS NOT DISTINCT FROM c.purchase_model AND g.RegionId IS NOT DISTINCT FROM c.RegionId
    AND CASE WHEN g.pool = 'api' THEN g.bought_model END IS NOT DISTINCT FROM c.api_model
    AND CASE WHEN g.pool = 'api' THEN g.x_token_class END IS NOT DISTINCT FROM c.api_class
    AND CASE WHEN g.pool = 'api' THEN g.model END IS NOT DISTINCT FROM c.model
LEFT JOIN chip_hours AS h ON h.group_id = g.group_id
WHERE p.billing_period = $billing_period AND p.pool IS NOT NULL AND h.chip IS NOT DISTINCT FROM c.chip
