-- Charges with the group that each belongs to, or each part of one.
-- Grain: one row per charge, or part of a charge, with the costs of the part. $delivery narrows it to one record, $number to the largest.
SELECT
    g.group_id, c.delivery_id, c.file_no, c.record_no, c.part_no, c.source, c.scope, c.billing_period, c.ProviderName, c.BillingAccountId,
    c.SubAccountId, c.InvoiceId, c.BillingCurrency, c.ChargePeriodStart, c.ChargePeriodEnd, c.ChargeCategory, c.ChargeClass, c.ChargeDescription,
    c.ServiceName, c.SkuId, c.ResourceId, c.RegionId, c.CommitmentDiscountStatus, c.x_machine, c.x_purchase_model, c.x_model_raw,
    c.x_token_class, c.Tags, c.billed AS BilledCost, c.effective AS EffectiveCost, c.list AS ListCost, c.contracted AS ContractedCost, c.part_start, c.part_end, g.rule
FROM placed_charges AS c
INNER JOIN charge_groups AS g
    ON g.billing_period = c.billing_period AND g.source = c.source AND g.scope = c.scope AND g.slot_start = c.slot_start AND g.slot_end = c.slot_end
    AND g.provider = c.provider AND g.BillingCurrency = c.BillingCurrency AND g.ChargeCategory = c.ChargeCategory AND g.rule = c.rule
    AND g.BillingAccountId IS NOT DISTINCT FROM c.BillingAccountId AND g.InvoiceId IS NOT DISTINCT FROM c.InvoiceId
    AND g.ServiceCategory IS NOT DISTINCT FROM c.ServiceCategory AND g.ServiceName IS NOT DISTINCT FROM c.ServiceName
    AND g.ChargeClass IS NOT DISTINCT FROM c.ChargeClass AND g.RegionId IS NOT DISTINCT FROM c.RegionId
    AND g.PricingCategory IS NOT DISTINCT FROM c.PricingCategory AND g.CommitmentDiscountStatus IS NOT DISTINCT FROM c.CommitmentDiscountStatus
    AND g.x_purchase_model IS NOT DISTINCT FROM c.x_purchase_model AND g.x_model_raw IS NOT DISTINCT FROM c.x_model_raw
    AND g.x_token_class IS NOT DISTINCT FROM c.x_token_class AND g.raw_team IS NOT DISTINCT FROM c.raw_team
    AND g.pool IS NOT DISTINCT FROM c.pool AND g.raw_model IS NOT DISTINCT FROM c.raw_model AND g.raw_purpose IS NOT DISTINCT FROM c.raw_purpose
    AND g.SubAccountId IS NOT DISTINCT FROM c.told_account AND g.x_machine IS NOT DISTINCT FROM c.told_machine
    AND g.unit IS NOT DISTINCT FROM c.unit AND g.is_smaller = c.is_smaller
WHERE ($delivery IS NULL OR (c.delivery_id = $delivery AND c.file_no = $file_no AND c.record_no = $record_no)) AND ($delivery IS NOT NULL OR (
    g.group_id IN (SELECT group_id FROM explained_groups WHERE billing_period = $billing_period)
    AND ($service IS NULL OR c.ServiceName = $service)
    AND ($account IS NULL OR c.BillingAccountId = $account OR c.SubAccountId = $account)
))
ORDER BY ABS(CASE $cost WHEN 'billed' THEN c.billed WHEN 'list' THEN c.list WHEN 'contracted' THEN c.contracted ELSE c.effective END)
    DESC NULLS LAST, c.delivery_id, c.file_no, c.record_no, c.part_no, c.part_start
LIMIT $number
