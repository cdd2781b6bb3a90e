-- The charges of one source and billing period, summed by everything that decides who bears them and what they bought.
-- Grain: one row per group_id; its slot is the UTC day of the charges, the hour in pools that are split by hours, or their own interval where that leaves it. Groups stay few: the sub-account is kept
-- where no rule applies, machine, unit and quantity only where they buy chips, seem to, or buy tokens. A part of a charge has its own interval;
-- the charge, and what of it is unknown, counts with its largest part, the others are only incomplete.
-- Keep: yes
WITH parted AS (
    SELECT
        c.*, COALESCE(p.part_start, c.ChargePeriodStart) AS moment, COALESCE(p.part_end, c.ChargePeriodEnd) AS until, COALESCE(p.place > 1, FALSE) AS is_smaller,
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
),

told_apart AS (
    SELECT
        c.billing_period, c.source, c.scope, COALESCE(p.provider, LOWER(c.ProviderName), '-') AS provider,
        CASE WHEN c.is_long THEN c.moment WHEN h.pool IS NULL THEN CAST(DATE_TRUNC('day', c.moment) AS TIMESTAMP)
            WHEN c.until > CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) + INTERVAL 1 HOUR THEN c.moment ELSE CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) END AS slot_start,
        CASE WHEN c.is_long THEN c.until WHEN h.pool IS NULL THEN CAST(DATE_TRUNC('day', c.moment) AS TIMESTAMP) + INTERVAL 1 DAY
            ELSE GREATEST(c.until, CAST(DATE_TRUNC('hour', c.moment) AS TIMESTAMP) + INTERVAL 1 HOUR) END AS slot_end,
        c.BillingAccountId, c.InvoiceId, c.BillingCurrency, c.ServiceCategory, c.ServiceName, c.ChargeCategory, c.ChargeClass,
        c.RegionId, c.PricingCategory, c.CommitmentDiscountStatus, c.x_purchase_model, c.x_model_raw, c.x_token_class,
        c.outcome.rule AS rule, c.outcome.team AS raw_team, c.outcome.pool AS pool,
        COALESCE(c.outcome.model, c.tag_model) AS raw_model, COALESCE(c.outcome.purpose, c.tag_purpose) AS raw_purpose,
        CASE WHEN c.outcome.rule = 0 THEN c.SubAccountId END AS SubAccountId,
        CASE WHEN m.name IS NOT NULL OR n.x_machine IS NOT NULL OR c.outcome.rule = 0 THEN c.x_machine END AS x_machine,
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
),

grouped AS (
    SELECT
        billing_period, source, scope, slot_start, slot_end, provider, BillingAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
        ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountStatus, x_purchase_model, x_model_raw, x_token_class, rule, raw_team, pool, raw_model, raw_purpose, SubAccountId, x_machine, unit, is_smaller,
        COALESCE(SUM(billed), CAST('0' AS DECIMAL(38, 18))) AS BilledCost, COALESCE(SUM(effective), CAST('0' AS DECIMAL(38, 18))) AS EffectiveCost,
        COALESCE(SUM(list), CAST('0' AS DECIMAL(38, 18))) AS ListCost, COALESCE(SUM(contracted), CAST('0' AS DECIMAL(38, 18))) AS ContractedCost,
        COUNT(billed) AS billed_known, COUNT(effective) AS effective_known, COUNT(list) AS list_known, COUNT(contracted) AS contracted_known,
        CASE WHEN MAX(x_token_class) IS NOT NULL OR COUNT(quantity) = COUNT(*) THEN SUM(quantity) END AS quantity, COUNT(quantity) AS quantity_known, COUNT(*) AS parts
    FROM told_apart
    GROUP BY ALL
)

SELECT
    billing_period, source, scope,
    MD5(ARRAY_TO_STRING([
        keyed(source), keyed(scope), CAST(slot_start AS VARCHAR), CAST(slot_end AS VARCHAR), keyed(provider), keyed(BillingAccountId), keyed(SubAccountId),
        keyed(InvoiceId), keyed(BillingCurrency), keyed(ServiceCategory), keyed(ServiceName), keyed(ChargeCategory), keyed(ChargeClass), keyed(RegionId),
        keyed(PricingCategory), keyed(CommitmentDiscountStatus), keyed(unit), keyed(x_machine), keyed(x_purchase_model), keyed(x_model_raw), keyed(x_token_class),
        CAST(rule AS VARCHAR), keyed(raw_team), keyed(raw_model), keyed(raw_purpose), keyed(pool), CASE WHEN is_smaller THEN 'smaller parts' END
    ], '|')) AS group_id,
    slot_start, slot_end, provider, BillingAccountId, SubAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
    ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountStatus, unit, x_machine, x_purchase_model, x_model_raw, x_token_class,
    rule, raw_team, raw_model, raw_purpose, pool,
    BilledCost, EffectiveCost, ListCost, ContractedCost,
    CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts - billed_known END AS billed_unknown, CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts - effective_known END AS effective_unknown,
    CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts - list_known END AS list_unknown, CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts - contracted_known END AS contracted_unknown,
    billed_known < parts AS billed_incomplete, effective_known < parts AS effective_incomplete, list_known < parts AS list_incomplete, contracted_known < parts AS contracted_incomplete,
    effective_known = 0 AS is_unpriced, is_smaller, quantity, CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts - quantity_known END AS quantity_unknown,
    CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts END AS row_count
FROM grouped
