-- The charges of one source and billing period, summed by everything that decides who bears them and what they bought.
-- Grain: one row per group_id; its slot is the UTC day of the charges, or their own interval where that is longer.
-- Keep: yes
WITH placed AS (
    SELECT
        billing_period, source, scope, ProviderName, BillingAccountId, SubAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
        ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountId, CommitmentDiscountStatus, ConsumedUnit, PricingUnit,
        x_machine, x_purchase_model, x_model_raw, x_token_class, tag_model, tag_purpose,
        BilledCost, EffectiveCost, ListCost, ContractedCost, ConsumedQuantity, PricingQuantity,
        CASE
            WHEN DATE_DIFF('second', ChargePeriodStart, ChargePeriodEnd) > 86400 THEN ChargePeriodStart
            ELSE CAST(DATE_TRUNC('day', ChargePeriodStart) AS TIMESTAMP)
        END AS slot_start,
        CASE
            WHEN DATE_DIFF('second', ChargePeriodStart, ChargePeriodEnd) > 86400 THEN ChargePeriodEnd
            ELSE CAST(DATE_TRUNC('day', ChargePeriodStart) AS TIMESTAMP) + INTERVAL 1 DAY
        END AS slot_end,
        RULES() AS outcome
    FROM charges
    WHERE billing_period = $billing_period AND source = $source AND scope = $scope
),

grouped AS (
    SELECT
        c.billing_period, c.source, c.scope, c.slot_start, c.slot_end, COALESCE(p.provider, LOWER(c.ProviderName), '-') AS provider,
        c.BillingAccountId, c.SubAccountId, c.InvoiceId, c.BillingCurrency, c.ServiceCategory, c.ServiceName, c.ChargeCategory, c.ChargeClass,
        c.RegionId, c.PricingCategory, c.CommitmentDiscountId, c.CommitmentDiscountStatus, c.ConsumedUnit, c.PricingUnit,
        c.x_machine, c.x_purchase_model, c.x_model_raw, c.x_token_class,
        c.outcome.rule AS rule, c.outcome.team AS raw_team, c.outcome.pool AS pool,
        COALESCE(c.outcome.model, c.tag_model) AS raw_model, COALESCE(c.outcome.purpose, c.tag_purpose) AS raw_purpose,
        COALESCE(SUM(c.BilledCost), CAST('0' AS DECIMAL(38, 18))) AS BilledCost,
        COALESCE(SUM(c.EffectiveCost), CAST('0' AS DECIMAL(38, 18))) AS EffectiveCost,
        COALESCE(SUM(c.ListCost), CAST('0' AS DECIMAL(38, 18))) AS ListCost,
        COALESCE(SUM(c.ContractedCost), CAST('0' AS DECIMAL(38, 18))) AS ContractedCost,
        COUNT(*) - COUNT(c.BilledCost) AS billed_unknown, COUNT(*) - COUNT(c.EffectiveCost) AS effective_unknown,
        COUNT(*) - COUNT(c.ListCost) AS list_unknown, COUNT(*) - COUNT(c.ContractedCost) AS contracted_unknown,
        SUM(c.ConsumedQuantity) AS consumed_quantity, SUM(c.PricingQuantity) AS pricing_quantity, COUNT(*) AS row_count
    FROM placed AS c
    LEFT JOIN providers AS p ON p.name = LOWER(c.ProviderName)
    GROUP BY ALL
)

SELECT
    billing_period, source, scope,
    MD5(ARRAY_TO_STRING([
        source, scope, CAST(slot_start AS VARCHAR), CAST(slot_end AS VARCHAR), provider, COALESCE(BillingAccountId, '~'), COALESCE(SubAccountId, '~'),
        COALESCE(InvoiceId, '~'), BillingCurrency, COALESCE(ServiceCategory, '~'), COALESCE(ServiceName, '~'), ChargeCategory,
        COALESCE(ChargeClass, '~'), COALESCE(RegionId, '~'), COALESCE(PricingCategory, '~'), COALESCE(CommitmentDiscountId, '~'),
        COALESCE(CommitmentDiscountStatus, '~'), COALESCE(ConsumedUnit, '~'), COALESCE(PricingUnit, '~'), COALESCE(x_machine, '~'),
        COALESCE(x_purchase_model, '~'), COALESCE(x_model_raw, '~'), COALESCE(x_token_class, '~'), CAST(rule AS VARCHAR),
        COALESCE(raw_team, '~'), COALESCE(raw_model, '~'), COALESCE(raw_purpose, '~'), COALESCE(pool, '~')
    ], '|')) AS group_id,
    slot_start, slot_end, provider, BillingAccountId, SubAccountId, InvoiceId, BillingCurrency, ServiceCategory, ServiceName,
    ChargeCategory, ChargeClass, RegionId, PricingCategory, CommitmentDiscountId, CommitmentDiscountStatus, ConsumedUnit, PricingUnit,
    x_machine, x_purchase_model, x_model_raw, x_token_class, rule, raw_team, raw_model, raw_purpose, pool,
    BilledCost, EffectiveCost, ListCost, ContractedCost, billed_unknown, effective_unknown, list_unknown, contracted_unknown,
    consumed_quantity, pricing_quantity, row_count
FROM grouped
