-- FOCUS to charges: the columns as they are, and what the meter's own words say about machine, model and token class.
-- Grain: one charge per record. Source: the FOCUS specification 1.0 to 1.4; ServiceProviderName takes over from ProviderName in 1.3.
-- What 1.0-preview said in ChargeSubcategory and in other words of PricingCategory is put as 1.0 says it.
WITH typed AS (
    SELECT
        * REPLACE (
            CASE PricingCategory WHEN 'On-Demand' THEN 'Standard' WHEN 'Commitment-Based' THEN 'Committed' ELSE PricingCategory END AS PricingCategory
        ),
        COALESCE(x_UsageType, SkuMeter, ChargeDescription) AS meter,
        COALESCE(ProviderName, ServiceProviderName) AS provider,
        json_extract_string(CASE WHEN json_valid(SkuPriceDetails) THEN SkuPriceDetails END, '$.InstanceType') AS instance_type
    FROM records
)

SELECT
    money(BilledCost) AS BilledCost,
    money(EffectiveCost) AS EffectiveCost,
    money(ListCost) AS ListCost,
    money(ContractedCost) AS ContractedCost,
    currency(BillingCurrency) AS BillingCurrency,
    instant(BillingPeriodStart) AS BillingPeriodStart,
    instant(BillingPeriodEnd) AS BillingPeriodEnd,
    instant(ChargePeriodStart) AS ChargePeriodStart,
    instant(ChargePeriodEnd) AS ChargePeriodEnd,
    CASE WHEN ChargeCategory = 'Adjustment' AND ChargeSubcategory = 'Credit' THEN 'Credit' ELSE category(ChargeCategory) END AS ChargeCategory,
    CASE ChargeSubcategory WHEN 'Refund' THEN 'Correction' ELSE ChargeClass END AS ChargeClass, ChargeDescription, ChargeFrequency,
    COALESCE(ProviderName, ServiceProviderName) AS ProviderName, PublisherName, InvoiceIssuerName, InvoiceId,
    BillingAccountId, BillingAccountName, SubAccountId, SubAccountName,
    ServiceCategory, ServiceName, SkuId, SkuPriceId, SkuMeter, ResourceId, COALESCE(RegionId, CASE WHEN regexp_full_match(RegionName, '[a-z0-9-]+') THEN RegionName END) AS RegionId, PricingCategory,
    quantity(PricingQuantity) AS PricingQuantity, PricingUnit,
    quantity(ConsumedQuantity) AS ConsumedQuantity, ConsumedUnit,
    quantity(ListUnitPrice) AS ListUnitPrice, quantity(ContractedUnitPrice) AS ContractedUnitPrice,
    CommitmentDiscountId, CommitmentDiscountCategory,
    CASE ChargeSubcategory WHEN 'Used Commitment' THEN 'Used' WHEN 'Unused Commitment' THEN 'Unused' ELSE CommitmentDiscountStatus END AS CommitmentDiscountStatus,
    -- AWS keeps cost categories beside the tags in 1.0; of their canonical JSON only a key's quote stands behind a brace or a comma
    CASE
        WHEN x_CostCategories IS NULL THEN json(Tags)
        ELSE json(CAST(json_merge_patch(COALESCE(json(Tags), '{}'), regexp_replace(json(x_CostCategories), '([{,]")([^"])', '\1cost_category/\2', 'g')) AS VARCHAR))
    END AS Tags,
    COALESCE(x_Machine, CASE
        WHEN x_UsageType IS NOT NULL OR provider ILIKE '%aws%' OR provider ILIKE '%amazon%' THEN aws_machine_of(CASE WHEN NOT contains(meter, ' ') THEN meter END, instance_type, ServiceName)
        WHEN provider ILIKE '%oracle%' THEN COALESCE(instance_type, oci_machine_of(SkuPriceId, ChargeDescription))
        WHEN provider ILIKE '%google%' THEN COALESCE(gcp_machine_of(meter), gcp_host_of(meter), instance_type)
        WHEN provider ILIKE '%microsoft%' OR provider ILIKE '%azure%' THEN COALESCE(instance_type, azure_machine_of(meter))
        ELSE COALESCE(instance_type, rented_machine_of(meter, COALESCE(ConsumedUnit, PricingUnit)))
    END) AS x_machine,
    COALESCE(
        x_PurchaseModel,
        CASE
            WHEN CommitmentDiscountId IS NOT NULL AND CommitmentDiscountCategory = 'Spend' THEN 'savings_plan'
            WHEN CommitmentDiscountId IS NOT NULL THEN CASE WHEN provider LIKE 'Google%' THEN 'commitment' ELSE 'reserved' END
            WHEN PricingCategory = 'Dynamic' THEN 'spot'
            WHEN CapacityReservationStatus = 'Unused' OR is_unused_capacity(meter) THEN 'capacity_reservation'
            WHEN PricingCategory = 'Standard' THEN 'on_demand'
        END
    ) AS x_purchase_model,
    CASE WHEN COALESCE(x_TokenClass, token_class_of(meter)) IS NOT NULL THEN COALESCE(x_Model, marketplace_model_of(ServiceName), token_model_of(meter)) END AS x_model_raw,
    COALESCE(x_TokenClass, token_class_of(meter)) AS x_token_class,
    stored, file_no, record_no, 1 AS part_no
FROM typed
