-- AWS CUR (legacy) to charges. Grain: one charge per line item; a commitment's recurring fee that was not used up gives a second
-- one (part_no 2), the unused part. What each LineItemType costs, billed and effective: AWS documents it per column; the table
-- this follows is the one the Cloud Intelligence Dashboards use, where a negation offsets the covered usage in billed only.
WITH typed AS (
    SELECT
        *,
        -- The net column, where the file has it, has the discounts inside: their own lines are blank there and count 0.
        CASE
            WHEN NOT list_contains(present, 'NetUnblendedCost') THEN money(UnblendedCost)
            WHEN LineItemType LIKE '%Discount' THEN COALESCE(money(NetUnblendedCost), CAST(0 AS DECIMAL(38, 18)))
            ELSE COALESCE(money(NetUnblendedCost), money(UnblendedCost))
        END AS billed,
        money(UnblendedCost) AS unblended,
        CASE LineItemType
            WHEN 'SavingsPlanRecurringFee' THEN money(TotalCommitmentToDate) - money(UsedCommitment)
            WHEN 'RIFee' THEN COALESCE(money(NetUnusedUpfront), money(UnusedUpfront)) + COALESCE(money(NetUnusedRecurring), money(UnusedRecurring))
        END AS unused,
        LineItemType IN ('SavingsPlanRecurringFee', 'RIFee') AS is_recurring_fee,
        LineItemType IN ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage') AS is_usage,
        COALESCE(ProductCode = 'ComputeSavingsPlans' AND LineItemType = 'Refund', FALSE) AS is_refunded_commitment
    FROM records
),

parts AS (
    SELECT
        t.*, p.part_no,
        LineItemType = 'SavingsPlanUpfrontFee' OR is_recurring_fee OR is_refunded_commitment
            OR (LineItemType = 'Fee' AND ReservationArn IS NOT NULL) AS pays_for_usage,
        p.part_no = 2 AND t.LineItemType = 'RIFee' AS is_unused_reservation
    FROM typed AS t
    CROSS JOIN (VALUES (1), (2)) AS p(part_no)
    WHERE p.part_no = 1 OR (t.is_recurring_fee AND (t.unused IS NULL OR t.unused <> 0))
)

SELECT
    CASE part_no WHEN 1 THEN billed ELSE CAST(0 AS DECIMAL(38, 18)) END AS BilledCost,
    CASE
        WHEN part_no = 2 THEN unused
        WHEN LineItemType = 'SavingsPlanCoveredUsage' THEN COALESCE(money(NetSavingsPlanEffectiveCost), money(SavingsPlanEffectiveCost))
        WHEN LineItemType = 'DiscountedUsage' THEN COALESCE(money(NetReservationEffectiveCost), money(ReservationEffectiveCost))
        WHEN LineItemType = 'SavingsPlanNegation' OR pays_for_usage THEN CAST(0 AS DECIMAL(38, 18))
        ELSE billed
    END AS EffectiveCost,
    CASE
        -- what a commitment's fee covers carries the list and contracted cost itself
        WHEN part_no = 2 OR LineItemType = 'SavingsPlanNegation' OR LineItemType LIKE '%Discount' OR pays_for_usage THEN CAST(0 AS DECIMAL(38, 18))
        WHEN is_usage THEN money(PublicOnDemandCost)
        ELSE COALESCE(money(PublicOnDemandCost), billed)
    END AS ListCost,
    CASE
        WHEN part_no = 2 OR LineItemType = 'SavingsPlanNegation' OR pays_for_usage THEN CAST(0 AS DECIMAL(38, 18))
        WHEN LineItemType = 'SavingsPlanCoveredUsage' THEN unblended
        WHEN LineItemType = 'DiscountedUsage' THEN CAST(NULL AS DECIMAL(38, 18))
        ELSE billed
    END AS ContractedCost,
    currency(CurrencyCode) AS BillingCurrency,
    instant(BillingPeriodStart) AS BillingPeriodStart, instant(BillingPeriodEnd) AS BillingPeriodEnd,
    instant(UsageStart) AS ChargePeriodStart, instant(UsageEnd) AS ChargePeriodEnd,
    CASE
        WHEN part_no = 2 THEN 'Usage'
        WHEN LineItemType = 'Tax' THEN 'Tax'
        WHEN LineItemType = 'Credit' THEN 'Credit'
        WHEN LineItemType IN ('Fee', 'RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee') OR is_refunded_commitment THEN 'Purchase'
        WHEN is_usage OR LineItemType IN ('SavingsPlanNegation', 'Refund') OR LineItemType LIKE '%Discount' THEN 'Usage'
        ELSE 'Adjustment'
    END AS ChargeCategory,
    CASE WHEN LineItemType = 'Refund' THEN 'Correction' END AS ChargeClass,
    Description AS ChargeDescription,
    CASE WHEN LineItemType IN ('RIFee', 'SavingsPlanRecurringFee') THEN 'Recurring' WHEN LineItemType IN ('Fee', 'SavingsPlanUpfrontFee') THEN 'One-Time' ELSE 'Usage-Based' END AS ChargeFrequency,
    'AWS' AS ProviderName, LegalEntity AS PublisherName, InvoicingEntity AS InvoiceIssuerName, InvoiceId,
    PayerAccountId AS BillingAccountId, UsageAccountId AS SubAccountId,
    COALESCE(ProductName, ServiceCode, ProductCode) AS ServiceName, Sku AS SkuId, RateCode AS SkuPriceId, UsageType AS SkuMeter,
    ResourceId, COALESCE(RegionCode, Region) AS RegionId,
    CASE WHEN LineItemType IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') THEN 'Committed' WHEN UsageType LIKE '%SpotUsage%' THEN 'Dynamic' WHEN is_usage THEN 'Standard' END AS PricingCategory,
    CASE WHEN is_usage THEN quantity(UsageAmount) END AS PricingQuantity, CASE WHEN is_usage THEN PricingUnit END AS PricingUnit,
    -- hours of a reservation that nobody drew, so that unused chips have their hours
    CASE WHEN is_usage THEN quantity(UsageAmount) WHEN is_unused_reservation THEN quantity(UnusedQuantity) END AS ConsumedQuantity,
    CASE WHEN is_usage THEN PricingUnit WHEN is_unused_reservation THEN 'Hrs' END AS ConsumedUnit,
    quantity(PublicOnDemandRate) AS ListUnitPrice,
    COALESCE(SavingsPlanArn, ReservationArn) AS CommitmentDiscountId,
    CASE WHEN SavingsPlanArn IS NOT NULL THEN 'Spend' WHEN ReservationArn IS NOT NULL THEN 'Usage' END AS CommitmentDiscountCategory,
    CASE WHEN part_no = 2 THEN 'Unused' WHEN LineItemType IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') THEN 'Used' END AS CommitmentDiscountStatus,
    Tags,
    CASE WHEN is_usage OR is_unused_reservation OR LineItemType = 'SavingsPlanNegation' THEN COALESCE(InstanceType, machine_of(UsageType)) END AS x_machine,
    CASE
        WHEN LineItemType IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN 'savings_plan'
        WHEN LineItemType = 'DiscountedUsage' OR is_unused_reservation THEN 'reserved'
        WHEN UsageType LIKE '%SpotUsage%' THEN 'spot'
        WHEN is_usage THEN 'on_demand'
    END AS x_purchase_model,
    CASE WHEN is_usage AND token_class_of(UsageType) IS NOT NULL THEN COALESCE(marketplace_model_of(ProductName), token_model_of(UsageType)) END AS x_model_raw,
    CASE WHEN is_usage THEN token_class_of(UsageType) END AS x_token_class,
    file_no, record_no, part_no
FROM parts
