-- The charges of one source and billing period, or parts of them, each with everything that says which group it is in.
-- Grain: one row per charge, or part of one. The slot is the UTC day that it begins on, the hour in pools that are split by hours, or its own interval where it leaves that. told_account is
-- the sub-account where no rule applies, told_machine, unit and quantity are there only where they buy chips, seem to, or buy tokens. is_smaller tells all parts of a charge but its largest.
-- Inlined: yes
WITH parted AS (
    SELECT
        c.*, COALESCE(p.part_start, c.ChargePeriodStart) AS moment, COALESCE(p.part_end, c.ChargePeriodEnd) AS until, COALESCE(p.place > 1, FALSE) AS is_smaller, p.part_start, p.part_end,
        COALESCE(p.BilledCost, c.BilledCost) AS billed, COALESCE(p.EffectiveCost, c.EffectiveCost) AS effective, COALESCE(p.ListCost, c.ListCost) AS list,
        COALESCE(p.ContractedCost, c.ContractedCost) AS contracted, COALESCE(p.ConsumedQuantity, c.ConsumedQuantity) AS consumed, COALESCE(p.PricingQuantity, c.PricingQuantity) AS pricing
    FROM charges AS c
    LEFT JOIN charge_parts AS p ON p.delivery_id = c.delivery_id AND p.file_no = c.file_no AND p.record_no = c.record_no AND p.part_no = c.part_no
    WHERE c.billing_period = $billing_period AND c.source = $source AND c.scope = $scope
),

placed AS (SELECT *, until > CAST(DATE_TRUNC('day', moment) AS TIMESTAMP) + INTERVAL 1 DAY AS is_long, RULES() AS outcome FROM parted),

-- names that no fact knows, of families of machines that hold accelerators
unknown AS (
    SELECT DISTINCT c.ProviderName, c.x_machine
    FROM (SELECT DISTINCT ProviderName, x_machine FROM charges WHERE billing_period = $billing_period AND source = $source AND scope = $scope AND x_machine IS NOT NULL) AS c
    LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
    INNER JOIN machine_families AS f ON f.provider IN (COALESCE(p.provider, LOWER(c.ProviderName), '-'), '*') AND LOWER(TRIM(c.x_machine)) LIKE f.pattern
)

SELECT
    c.delivery_id, c.file_no, c.record_no, c.part_no, c.part_start, c.part_end, c.source, c.scope, c.billing_period, c.ProviderName, COALESCE(p.provider, LOWER(c.ProviderName), '-') AS provider,
    c.SubAccountId, c.ChargePeriodStart, c.ChargePeriodEnd, c.ChargeDescription, c.SkuId, c.ResourceId, c.x_machine, c.Tags,
    CASE WHEN c.is_long THEN c.moment WHEN h.pool IS NULL THEN CAST(DATE_TRUNC('day', c.moment) AS TIMESTAMP)
        WHEN c.until > CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) + INTERVAL 1 HOUR THEN c.moment ELSE CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) END AS slot_start,
    CASE WHEN c.is_long THEN c.until WHEN h.pool IS NULL THEN CAST(DATE_TRUNC('day', c.moment) AS TIMESTAMP) + INTERVAL 1 DAY
        ELSE GREATEST(c.until, CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) + INTERVAL 1 HOUR) END AS slot_end,
    c.BillingAccountId, c.InvoiceId, c.BillingCurrency, c.ServiceCategory, c.ServiceName, c.ChargeCategory, c.ChargeClass,
    c.RegionId, c.PricingCategory, c.CommitmentDiscountStatus, c.x_purchase_model, c.x_model_raw, c.x_token_class,
    c.outcome.rule AS rule, c.outcome.team AS raw_team, c.outcome.pool AS pool,
    COALESCE(c.outcome.model, c.tag_model) AS raw_model, COALESCE(c.outcome.purpose, c.tag_purpose) AS raw_purpose,
    CASE WHEN c.outcome.rule = 0 THEN c.SubAccountId END AS told_account,
    CASE WHEN m.name IS NOT NULL OR n.x_machine IS NOT NULL OR c.outcome.rule = 0 THEN c.x_machine END AS told_machine,
    CASE WHEN m.name IS NOT NULL OR n.x_machine IS NOT NULL OR c.x_token_class IS NOT NULL THEN COALESCE(c.ConsumedUnit, c.PricingUnit) END AS unit,
    CASE WHEN m.name IS NOT NULL OR n.x_machine IS NOT NULL OR c.x_token_class IS NOT NULL THEN
        CASE WHEN c.ConsumedUnit IS NULL OR c.consumed IS NULL THEN c.pricing ELSE c.consumed END
    END AS quantity,
    c.is_smaller, c.billed, c.effective, c.list, c.contracted
FROM placed AS c
LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
LEFT JOIN machines AS m ON m.provider = COALESCE(p.provider, LOWER(c.ProviderName)) AND m.name = LOWER(TRIM(c.x_machine))
LEFT JOIN hourly_pools AS h ON h.pool = c.outcome.pool
LEFT JOIN unknown AS n ON n.ProviderName IS NOT DISTINCT FROM c.ProviderName AND n.x_machine = c.x_machine
