-- The charges of one source and billing period, summed by everything that decides who bears them and what they bought.
-- Grain: one row per group_id: everything of placed_charges but costs and quantities. Groups stay few. The charge, and what of it is unknown, counts with its largest part, the others are only incomplete.
-- Keep: yes
WITH grouped AS (
    SELECT
        slot_start, slot_end, provider, BillingAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
        ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountStatus, x_purchase_model, x_model_raw, x_token_class, rule, raw_team, pool, raw_model, raw_purpose, told_account AS SubAccountId, told_machine AS x_machine, unit, is_smaller,
        COALESCE(SUM(billed), CAST('0' AS DECIMAL(38, 18))) AS BilledCost, COALESCE(SUM(effective), CAST('0' AS DECIMAL(38, 18))) AS EffectiveCost,
        COALESCE(SUM(list), CAST('0' AS DECIMAL(38, 18))) AS ListCost, COALESCE(SUM(contracted), CAST('0' AS DECIMAL(38, 18))) AS ContractedCost,
        COUNT(billed) AS billed_known, COUNT(effective) AS effective_known, COUNT(list) AS list_known, COUNT(contracted) AS contracted_known,
        SUM(quantity) AS quantity, COUNT(quantity) AS quantity_known, COUNT(*) AS parts
    FROM placed_charges
    GROUP BY ALL
)

SELECT
    $billing_period AS billing_period, $source AS source, $scope AS scope,
    MD5(ARRAY_TO_STRING([
        keyed($source), keyed($scope), CAST(slot_start AS VARCHAR), CAST(slot_end AS VARCHAR), keyed(provider), keyed(BillingAccountId), keyed(SubAccountId),
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
    effective_known = 0 AS is_unpriced, is_smaller, CASE WHEN x_token_class IS NOT NULL OR quantity_known = parts THEN quantity END AS quantity,
    CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts - quantity_known END AS quantity_unknown,
    CASE WHEN is_smaller THEN CAST(0 AS BIGINT) ELSE parts END AS row_count
FROM grouped
