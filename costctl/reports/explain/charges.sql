-- Charges with the group that each belongs to, or each part of one, by the same rules, slots and names as the scan that built the groups (models/10).
-- Grain: one row per charge, or part of a charge, with the costs of the part. RULES() is the compiled rule expression; $delivery narrows it to one record, $number to the largest.
WITH parted AS (
    SELECT
        c.*, COALESCE(p.part_start, c.ChargePeriodStart) AS moment, COALESCE(p.part_end, c.ChargePeriodEnd) AS until, p.place, p.part_start, p.part_end,
        COALESCE(p.BilledCost, c.BilledCost) AS billed, COALESCE(p.EffectiveCost, c.EffectiveCost) AS effective,
        COALESCE(p.ListCost, c.ListCost) AS list, COALESCE(p.ContractedCost, c.ContractedCost) AS contracted
    FROM charges AS c
    LEFT JOIN charge_parts AS p ON p.delivery_id = c.delivery_id AND p.file_no = c.file_no AND p.record_no = c.record_no AND p.part_no = c.part_no
    WHERE c.billing_period = $billing_period AND c.source = $source AND c.scope = $scope
        AND ($delivery IS NULL OR (c.delivery_id = $delivery AND c.file_no = $file_no AND c.record_no = $record_no))
),

told AS (
    SELECT *, until > CAST(DATE_TRUNC('day', moment) AS TIMESTAMP) + INTERVAL 1 DAY AS is_long, RULES() AS outcome
    FROM parted
),

named AS (
    SELECT
        c.*, COALESCE(p.provider, LOWER(c.ProviderName), '-') AS provider,
        CASE WHEN c.is_long THEN c.moment WHEN h.pool IS NULL THEN CAST(DATE_TRUNC('day', c.moment) AS TIMESTAMP)
            WHEN c.until > CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) + INTERVAL 1 HOUR THEN c.moment ELSE CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) END AS slot_start,
        CASE WHEN c.is_long THEN c.until WHEN h.pool IS NULL THEN CAST(DATE_TRUNC('day', c.moment) AS TIMESTAMP) + INTERVAL 1 DAY
            ELSE GREATEST(c.until, CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) + INTERVAL 1 HOUR) END AS slot_end,
        m.name IS NOT NULL OR c.x_token_class IS NOT NULL AS is_measured, m.name IS NOT NULL AS is_machine
    FROM told AS c
    LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
    LEFT JOIN machines AS m ON m.provider = p.provider AND m.name = LOWER(TRIM(c.x_machine))
    LEFT JOIN hourly_pools AS h ON h.pool = c.outcome.pool
)

SELECT
    g.group_id, c.delivery_id, c.file_no, c.record_no, c.part_no, c.source, c.scope, c.billing_period, c.ProviderName, c.BillingAccountId,
    c.SubAccountId, c.InvoiceId, c.BillingCurrency, c.ChargePeriodStart, c.ChargePeriodEnd, c.ChargeCategory, c.ChargeClass, c.ChargeDescription,
    c.ServiceName, c.SkuId, c.ResourceId, c.RegionId, c.CommitmentDiscountStatus, c.x_machine, c.x_purchase_model, c.x_model_raw,
    c.x_token_class, c.Tags, c.billed AS BilledCost, c.effective AS EffectiveCost, c.list AS ListCost, c.contracted AS ContractedCost, c.part_start, c.part_end, g.rule
FROM named AS c
INNER JOIN charge_groups AS g
    ON g.billing_period = c.billing_period AND g.source = c.source AND g.scope = c.scope AND g.slot_start = c.slot_start AND g.slot_end = c.slot_end
    AND g.provider = c.provider AND g.BillingCurrency = c.BillingCurrency AND g.ChargeCategory = c.ChargeCategory AND g.rule = c.outcome.rule
    AND g.BillingAccountId IS NOT DISTINCT FROM c.BillingAccountId AND g.InvoiceId IS NOT DISTINCT FROM c.InvoiceId
    AND g.ServiceCategory IS NOT DISTINCT FROM c.ServiceCategory AND g.ServiceName IS NOT DISTINCT FROM c.ServiceName
    AND g.ChargeClass IS NOT DISTINCT FROM c.ChargeClass AND g.RegionId IS NOT DISTINCT FROM c.RegionId
    AND g.PricingCategory IS NOT DISTINCT FROM c.PricingCategory AND g.CommitmentDiscountStatus IS NOT DISTINCT FROM c.CommitmentDiscountStatus
    AND g.x_purchase_model IS NOT DISTINCT FROM c.x_purchase_model AND g.x_model_raw IS NOT DISTINCT FROM c.x_model_raw
    AND g.x_token_class IS NOT DISTINCT FROM c.x_token_class AND g.raw_team IS NOT DISTINCT FROM c.outcome.team
    AND g.pool IS NOT DISTINCT FROM c.outcome.pool AND g.raw_model IS NOT DISTINCT FROM COALESCE(c.outcome.model, c.tag_model)
    AND g.raw_purpose IS NOT DISTINCT FROM COALESCE(c.outcome.purpose, c.tag_purpose)
    AND g.SubAccountId IS NOT DISTINCT FROM CASE WHEN c.outcome.rule = 0 THEN c.SubAccountId END
    AND g.x_machine IS NOT DISTINCT FROM CASE WHEN c.is_machine OR c.outcome.rule = 0 THEN c.x_machine END
    AND g.unit IS NOT DISTINCT FROM CASE WHEN c.is_measured THEN COALESCE(c.ConsumedUnit, c.PricingUnit) END AND g.is_smaller = COALESCE(c.place > 1, FALSE)
WHERE $delivery IS NOT NULL OR (
    g.group_id IN (SELECT group_id FROM explained_groups WHERE billing_period = $billing_period)
    AND ($service IS NULL OR c.ServiceName = $service)
    AND ($account IS NULL OR c.BillingAccountId = $account OR c.SubAccountId = $account)
)
ORDER BY ABS(CASE $cost WHEN 'billed' THEN c.billed WHEN 'list' THEN c.list WHEN 'contracted' THEN c.contracted ELSE c.effective END)
    DESC NULLS LAST, c.delivery_id, c.file_no, c.record_no, c.part_no, c.part_start
LIMIT $number
