-- The charges of those groups, each with the file and the record that it was read from; no tags.
-- Grain: one row per charge, numbered.
SELECT
    ROW_NUMBER() OVER (ORDER BY c.source, c.delivery_id, c.file_no, c.record_no, c.part_no) AS charge,
    f.sha256, REGEXP_EXTRACT(f.name, '[^/\\]*$') AS file, c.record_no AS record, c.part_no AS part, c.source, c.billing_period, c.ProviderName, c.BillingAccountId,
    c.SubAccountId, c.InvoiceId, c.BillingCurrency, c.ChargePeriodStart, c.ChargePeriodEnd, c.ChargeCategory, c.ChargeClass, c.ChargeDescription,
    c.ServiceName, c.SkuId, c.ResourceId, c.RegionId, c.CommitmentDiscountStatus, c.x_machine, c.x_purchase_model, c.x_model_raw, c.x_token_class,
    c.BilledCost, c.EffectiveCost, c.ListCost, c.ContractedCost, c.delivery_id, c.file_no
FROM (SELECT DISTINCT delivery_id, file_no, record_no, part_no FROM explained_charges) AS x
INNER JOIN charges AS c ON c.delivery_id = x.delivery_id AND c.file_no = x.file_no AND c.record_no = x.record_no AND c.part_no = x.part_no
INNER JOIN delivery_files AS f ON f.delivery_id = c.delivery_id AND f.file_no = c.file_no
