-- Azure's FOCUS export to charges: the columns as they are, but for the defects that Microsoft names in its conformance report.
-- Grain: one charge per record. A commitment is paid once (billed) and spread over what it covers (effective): its purchase and its
-- refund have no EffectiveCost. A list or contracted cost of 0 for something that costs money is an unknown one.
WITH typed AS (
    SELECT
        *,
        money(BilledCost) AS billed,
        ChargeCategory = 'Purchase' AND CommitmentDiscountId IS NOT NULL AS pays_for_usage,
        COALESCE(CommitmentDiscountStatus = 'Unused', FALSE) AS is_unused,
        CASE WHEN ChargeCategory = 'Usage' THEN token_class_of(SkuMeter) END AS token_class,
        CASE WHEN json_valid(braced(SkuPriceDetails)) THEN braced(SkuPriceDetails) END AS details,
        CASE
            WHEN ChargeCategory = 'Purchase' AND CommitmentDiscountId IS NOT NULL THEN CAST(0 AS DECIMAL(38, 18))
            ELSE money(EffectiveCost)
        END AS effective
    FROM records
)

SELECT
    billed AS BilledCost,
    effective AS EffectiveCost,
    CASE WHEN NOT (pays_for_usage OR is_unused) AND (billed <> 0 OR effective <> 0) THEN NULLIF(money(ListCost), 0) ELSE money(ListCost) END AS ListCost,
    CASE WHEN NOT (pays_for_usage OR is_unused) AND (billed <> 0 OR effective <> 0) THEN NULLIF(money(ContractedCost), 0) ELSE money(ContractedCost) END AS ContractedCost,
    currency(BillingCurrency) AS BillingCurrency,
    us_date(BillingPeriodStart) AS BillingPeriodStart, us_date(BillingPeriodEnd) AS BillingPeriodEnd,
    us_date(ChargePeriodStart) AS ChargePeriodStart, us_date(ChargePeriodEnd) AS ChargePeriodEnd,
    category(ChargeCategory) AS ChargeCategory, ChargeClass, ChargeDescription, ChargeFrequency,
    COALESCE(ProviderName, 'Microsoft') AS ProviderName,
    COALESCE(PublisherName, CASE WHEN COALESCE(x_PublisherCategory, 'Cloud Provider') = 'Cloud Provider' THEN 'Microsoft' END) AS PublisherName,
    InvoiceIssuerName, InvoiceId, BillingAccountId, BillingAccountName, SubAccountId, SubAccountName,
    ServiceCategory, COALESCE(ServiceName, x_SkuMeterCategory, x_SkuDescription, ChargeDescription) AS ServiceName,
    SkuId, SkuPriceId, SkuMeter, lower(ResourceId) AS ResourceId, RegionId,
    -- committed usage has come as Standard
    CASE WHEN CommitmentDiscountStatus IS NOT NULL THEN 'Committed' ELSE PricingCategory END AS PricingCategory,
    quantity(PricingQuantity) AS PricingQuantity, PricingUnit,
    quantity(ConsumedQuantity) AS ConsumedQuantity,
    CASE WHEN token_class IS NOT NULL AND ConsumedUnit = 'Units' THEN 'Tokens' ELSE ConsumedUnit END AS ConsumedUnit,
    quantity(ListUnitPrice) AS ListUnitPrice, quantity(ContractedUnitPrice) AS ContractedUnitPrice,
    lower(CommitmentDiscountId) AS CommitmentDiscountId, CommitmentDiscountCategory, CommitmentDiscountStatus,
    NULLIF(json_unbraced(Tags), '{}') AS Tags,
    CASE
        WHEN ChargeCategory <> 'Usage' THEN NULL
        WHEN is_unused OR x_SkuMeterCategory IS NULL OR x_SkuMeterCategory = 'Virtual Machines'
            THEN COALESCE(
                NULLIF(regexp_extract(COALESCE(details ->> '$.ServiceType', details ->> '$.x_ServiceType', details ->> '$.InstanceType'), '^(Standard_\w+|Basic_\w+)$', 1), ''),
                CASE WHEN is_unused THEN NULLIF(regexp_extract(concat_ws(' ', x_SkuDescription, ChargeDescription), '(Standard_\w+)', 1), '') END,
                azure_machine_of(SkuMeter)
            )
    END AS x_machine,
    CASE
        WHEN ChargeCategory <> 'Usage' THEN NULL
        WHEN CommitmentDiscountStatus IS NOT NULL THEN CASE WHEN CommitmentDiscountCategory = 'Spend' THEN 'savings_plan' ELSE 'reserved' END
        WHEN PricingCategory = 'Dynamic' OR x_PricingSubcategory = 'Spot' OR regexp_matches(SkuMeter, ' (Spot|Low Priority)$') THEN 'spot'
        ELSE 'on_demand'
    END AS x_purchase_model,
    CASE WHEN token_class IS NOT NULL THEN token_model_of(SkuMeter) END AS x_model_raw,
    token_class AS x_token_class,
    stored, file_no, record_no, 1 AS part_no
FROM typed
