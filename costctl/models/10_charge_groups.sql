-- The charges of one source and billing period, summed by everything that decides who bears them and what they bought.
-- Grain: one row per group_id; its slot is the UTC day of the charges, or their own interval where that leaves the day. Groups stay few:
-- the sub-account is kept where no rule applies, machine, unit and quantity only where they buy chips, seem to, or buy tokens.
-- Keep: yes
WITH placed AS (
    SELECT
        billing_period, source, scope, ProviderName, BillingAccountId, SubAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
        ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountStatus, ConsumedUnit, PricingUnit,
        x_machine, x_purchase_model, x_model_raw, x_token_class, tag_model, tag_purpose,
        BilledCost, EffectiveCost, ListCost, ContractedCost, ConsumedQuantity, PricingQuantity,
        CASE
            WHEN ChargePeriodEnd > CAST(DATE_TRUNC('day', ChargePeriodStart) AS TIMESTAMP) + INTERVAL 1 DAY THEN ChargePeriodStart
            ELSE CAST(DATE_TRUNC('day', ChargePeriodStart) AS TIMESTAMP)
        END AS slot_start,
        CASE
            WHEN ChargePeriodEnd > CAST(DATE_TRUNC('day', ChargePeriodStart) AS TIMESTAMP) + INTERVAL 1 DAY THEN ChargePeriodEnd
            ELSE CAST(DATE_TRUNC('day', ChargePeriodStart) AS TIMESTAMP) + INTERVAL 1 DAY
        END AS slot_end,
        RULES() AS outcome
    FROM charges
    WHERE billing_period = $billing_period AND source = $source AND scope = $scope
),

-- names that no fact knows, of families of machines that hold accelerators
unknown AS (
    SELECT DISTINCT c.ProviderName, c.x_machine
    FROM (SELECT DISTINCT ProviderName, x_machine FROM charges WHERE billing_period = $billing_period AND source = $source AND scope = $scope AND x_machine IS NOT NULL) AS c
    LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
    INNER JOIN machine_families AS f ON f.provider IN (COALESCE(p.provider, LOWER(c.ProviderName), '-'), '*') AND LOWER(TRIM(c.x_machine)) LIKE f.pattern
),

told_apart AS (
    SELECT
        c.billing_period, c.source, c.scope, c.slot_start, c.slot_end, COALESCE(p.provider, LOWER(c.ProviderName), '-') AS provider,
        c.BillingAccountId, c.InvoiceId, c.BillingCurrency, c.ServiceCategory, c.ServiceName, c.ChargeCategory, c.ChargeClass,
        c.RegionId, c.PricingCategory, c.CommitmentDiscountStatus, c.x_purchase_model, c.x_model_raw, c.x_token_class,
        c.outcome.rule AS rule, c.outcome.team AS raw_team, c.outcome.pool AS pool,
        COALESCE(c.outcome.model, c.tag_model) AS raw_model, COALESCE(c.outcome.purpose, c.tag_purpose) AS raw_purpose,
        CASE WHEN c.outcome.rule = 0 THEN c.SubAccountId END AS SubAccountId,
        CASE WHEN m.name IS NOT NULL OR n.x_machine IS NOT NULL OR c.outcome.rule = 0 THEN c.x_machine END AS x_machine,
        CASE WHEN m.name IS NOT NULL OR n.x_machine IS NOT NULL OR c.x_token_class IS NOT NULL THEN COALESCE(c.ConsumedUnit, c.PricingUnit) END AS unit,
        CASE WHEN m.name IS NOT NULL OR n.x_machine IS NOT NULL OR c.x_token_class IS NOT NULL THEN
            CASE WHEN c.ConsumedUnit IS NULL OR c.ConsumedQuantity IS NULL THEN c.PricingQuantity ELSE c.ConsumedQuantity END
        END AS quantity,
        c.BilledCost, c.EffectiveCost, c.ListCost, c.ContractedCost
    FROM placed AS c
    LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
    LEFT JOIN machines AS m ON m.provider = COALESCE(p.provider, LOWER(c.ProviderName)) AND m.name = LOWER(TRIM(c.x_machine))
    LEFT JOIN unknown AS n ON n.ProviderName IS NOT DISTINCT FROM c.ProviderName AND n.x_machine = c.x_machine
),

grouped AS (
    SELECT
        billing_period, source, scope, slot_start, slot_end, provider, BillingAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
        ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountStatus, x_purchase_model, x_model_raw, x_token_class,
        rule, raw_team, pool, raw_model, raw_purpose, SubAccountId, x_machine, unit,
        COALESCE(SUM(BilledCost), CAST('0' AS DECIMAL(38, 18))) AS BilledCost, COALESCE(SUM(EffectiveCost), CAST('0' AS DECIMAL(38, 18))) AS EffectiveCost,
        COALESCE(SUM(ListCost), CAST('0' AS DECIMAL(38, 18))) AS ListCost, COALESCE(SUM(ContractedCost), CAST('0' AS DECIMAL(38, 18))) AS ContractedCost,
        COUNT(*) - COUNT(BilledCost) AS billed_unknown, COUNT(*) - COUNT(EffectiveCost) AS effective_unknown,
        COUNT(*) - COUNT(ListCost) AS list_unknown, COUNT(*) - COUNT(ContractedCost) AS contracted_unknown,
        CASE WHEN MAX(x_token_class) IS NOT NULL OR COUNT(quantity) = COUNT(*) THEN SUM(quantity) END AS quantity, COUNT(*) - COUNT(quantity) AS quantity_unknown, COUNT(*) AS row_count
    FROM told_apart
    GROUP BY ALL
)

SELECT
    billing_period, source, scope,
    MD5(ARRAY_TO_STRING([
        keyed(source), keyed(scope), CAST(slot_start AS VARCHAR), CAST(slot_end AS VARCHAR), keyed(provider), keyed(BillingAccountId),
        keyed(SubAccountId), keyed(InvoiceId), keyed(BillingCurrency), keyed(ServiceCategory), keyed(ServiceName), keyed(ChargeCategory),
        keyed(ChargeClass), keyed(RegionId), keyed(PricingCategory), keyed(CommitmentDiscountStatus), keyed(unit), keyed(x_machine),
        keyed(x_purchase_model), keyed(x_model_raw), keyed(x_token_class), CAST(rule AS VARCHAR), keyed(raw_team), keyed(raw_model),
        keyed(raw_purpose), keyed(pool)
    ], '|')) AS group_id,
    slot_start, slot_end, provider, BillingAccountId, SubAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
    ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountStatus, unit,
    x_machine, x_purchase_model, x_model_raw, x_token_class, rule, raw_team, raw_model, raw_purpose, pool,
    BilledCost, EffectiveCost, ListCost, ContractedCost, billed_unknown, effective_unknown, list_unknown, contracted_unknown, quantity, quantity_unknown, row_count
FROM grouped
