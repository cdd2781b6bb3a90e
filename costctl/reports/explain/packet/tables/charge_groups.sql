-- The groups of charges behind the postings: the sums of charges that one rule names and that nothing tells apart.
-- Grain: one row per billing_period and group_id, which is a posting of its own or goes into a cell. What a rule read of tags is there where the group is a posting.
SELECT DISTINCT
    g.billing_period, g.group_id, CASE WHEN p.pool IS NULL THEN p.posting_id END AS posting_id, p.cell AS cell_id, g.source, g.slot_start, g.slot_end, g.provider,
    g.BillingAccountId, g.InvoiceId, g.BillingCurrency, g.ServiceName, g.ChargeCategory, g.RegionId, g.x_machine, g.x_purchase_model, g.x_token_class,
    g.rule, CASE WHEN p.pool IS NULL THEN g.raw_team END AS raw_team, CASE WHEN p.pool IS NULL THEN g.raw_model END AS raw_model,
    CASE WHEN p.pool IS NULL THEN g.raw_purpose END AS raw_purpose, g.pool, g.row_count, g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost
FROM explained_postings AS e
INNER JOIN postings AS p ON p.billing_period = e.billing_period AND p.posting_id = e.posting_id
INNER JOIN explained_links AS l ON l.billing_period = e.billing_period AND l.posting_id = e.posting_id
INNER JOIN charge_groups AS g ON g.billing_period = l.billing_period AND g.group_id = l.group_id
