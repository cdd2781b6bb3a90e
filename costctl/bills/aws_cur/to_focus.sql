-- AWS CUR, legacy and 2.0, to charges. Grain: one charge per line item; the recurring fee of a commitment that was not used up gives
-- a second one (part_no 2), the unused part. What each LineItemType costs is in README.md; where a file has the net columns (private
-- discounts), the net ones are taken throughout, and a net column that is not there makes that cost unknown.
WITH typed AS (
    SELECT
        *,
        list_contains(present, 'NetUnblendedCost') AS is_net,
        money(UnblendedCost) AS unblended,
        money(TotalCommitmentToDate) - money(UsedCommitment) AS unused_commitment,
        LineItemType LIKE '%Discount' AS is_discount,
        LineItemType IN ('SavingsPlanRecurringFee', 'RIFee') AS is_recurring_fee,
        LineItemType IN ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage') AS is_usage,
        LineItemType = 'Usage' AND COALESCE(CapacityReservationType ILIKE '%block%', FALSE) AS is_of_block,
        LineItemType IN ('Fee', 'Refund') AND COALESCE(contains(UsageType, 'CapacityBlockFee:'), FALSE) AS is_block_fee,
        COALESCE(LineItemType = 'Refund' AND ProductCode LIKE '%SavingsPlans' AND COALESCE(Description LIKE 'Refund for one-time fee%', TRUE), FALSE) AS is_refunded_plan,
        -- CUR 2.0 keeps tags in maps; a blank value is no tag (in any file: under a CASE the lists take longer)
        joined_members(list_concat(
            list_transform(entries(ResourceTags), lambda e: tag_member(CASE
                WHEN starts_with(e.key, 'user_') THEN 'user:' || substr(e.key, 6) WHEN starts_with(e.key, 'aws_') THEN 'aws:' || substr(e.key, 5) ELSE e.key
            END, e.value)),
            list_transform(entries(CostCategories), lambda e: tag_member('cost_category/' || e.key, e.value)),
            [tag_member('aws:iam_principal', IamPrincipal)]
        )) AS members
    FROM records
),

costed AS (
    SELECT
        *,
        -- A line of its own for a discount that the net columns have inside already is blank there, and counts 0; where any other
        -- net cost is blank, no private discount applies to the line.
        CASE WHEN is_net THEN COALESCE(money(NetUnblendedCost), CASE WHEN is_discount THEN CAST(0 AS DECIMAL(38, 18)) ELSE unblended END) ELSE unblended END AS billed,
        CASE
            WHEN LineItemType = 'SavingsPlanCoveredUsage' THEN CASE WHEN is_net THEN money(NetSavingsPlanEffectiveCost) ELSE money(SavingsPlanEffectiveCost) END
            WHEN LineItemType = 'DiscountedUsage' THEN CASE WHEN is_net THEN money(NetReservationEffectiveCost) ELSE money(ReservationEffectiveCost) END
        END AS amortised,
        CASE
            -- blank is nothing where nothing was paid upfront, where the fee is 0, or where all hours were used; else it is not known
            WHEN LineItemType = 'RIFee' THEN COALESCE(
                COALESCE(CASE WHEN is_net THEN money(NetUnusedUpfront) ELSE money(UnusedUpfront) END, CASE WHEN money(UpfrontValue) = 0 THEN CAST(0 AS DECIMAL(38, 18)) END)
                + COALESCE(CASE WHEN is_net THEN money(NetUnusedRecurring) ELSE money(UnusedRecurring) END, CASE WHEN unblended = 0 THEN CAST(0 AS DECIMAL(38, 18)) END),
                CASE WHEN quantity(UnusedQuantity) = 0 THEN CAST(0 AS DECIMAL(38, 18)) END
            )
            WHEN NOT is_net OR unused_commitment = 0 THEN unused_commitment
            -- AWS has no net column for this: the unused share of what the commitment costs after discounts
            ELSE proportion_of(
                money(NetUnblendedCost) + COALESCE(money(NetAmortizedUpfrontCommitment), CASE WHEN money(TotalCommitmentToDate) = unblended THEN CAST(0 AS DECIMAL(38, 18)) END),
                unused_commitment, money(TotalCommitmentToDate)
            )
        END AS unused,
        LineItemType = 'SavingsPlanUpfrontFee' OR is_recurring_fee OR is_refunded_plan OR (LineItemType = 'Fee' AND ReservationArn IS NOT NULL) AS pays_for_usage
    FROM typed
),

parts AS (
    SELECT
        *, part_no = 2 AS is_unused, part_no = 2 AND LineItemType = 'RIFee' AS is_unused_reservation,
        -- the fee and the negation carry no list and no contracted cost: what they pay for has its own
        part_no = 2 OR LineItemType = 'SavingsPlanNegation' OR pays_for_usage AS is_priced_elsewhere
    FROM (SELECT *, unnest(CASE WHEN is_recurring_fee AND (unused IS NULL OR unused <> 0) THEN [1, 2] ELSE [1] END) AS part_no FROM costed)
)

SELECT
    CASE WHEN is_unused THEN CAST(0 AS DECIMAL(38, 18)) ELSE billed END AS BilledCost,
    CASE
        WHEN is_unused THEN unused
        WHEN LineItemType IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') THEN amortised
        WHEN LineItemType = 'SavingsPlanNegation' OR pays_for_usage THEN CAST(0 AS DECIMAL(38, 18))
        WHEN is_of_block AND billed = 0 THEN CAST(NULL AS DECIMAL(38, 18))    -- the block's fee paid for them: not free, and how much of it the file does not say
        ELSE billed
    END AS EffectiveCost,
    CASE
        WHEN is_priced_elsewhere OR is_discount THEN CAST(0 AS DECIMAL(38, 18))
        -- a public price of 0 for something that was charged is no price
        WHEN is_usage THEN CASE WHEN money(PublicOnDemandCost) <> 0 OR unblended = 0 THEN money(PublicOnDemandCost) END
        ELSE unblended
    END AS ListCost,
    CASE
        WHEN is_priced_elsewhere THEN CAST(0 AS DECIMAL(38, 18))
        WHEN LineItemType = 'DiscountedUsage' THEN CAST(NULL AS DECIMAL(38, 18))  -- its price without the reservation is not in the file
        ELSE billed
    END AS ContractedCost,
    currency(CurrencyCode) AS BillingCurrency,
    instant(BillingPeriodStart) AS BillingPeriodStart,
    COALESCE(instant(BillingPeriodEnd), instant(BillingPeriodStart) + INTERVAL 1 MONTH) AS BillingPeriodEnd,
    instant(UsageStart) AS ChargePeriodStart, instant(UsageEnd) AS ChargePeriodEnd,
    CASE
        WHEN is_unused THEN 'Usage'
        WHEN LineItemType IN ('Tax', 'Credit') THEN LineItemType
        WHEN LineItemType IN ('Fee', 'RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee') OR is_refunded_plan THEN 'Purchase'
        WHEN is_usage OR is_discount OR LineItemType IN ('SavingsPlanNegation', 'Refund') THEN 'Usage'
        ELSE 'Adjustment'
    END AS ChargeCategory,
    CASE WHEN LineItemType = 'Refund' THEN 'Correction' END AS ChargeClass,
    Description AS ChargeDescription,
    CASE WHEN is_recurring_fee THEN 'Recurring' WHEN LineItemType IN ('Fee', 'SavingsPlanUpfrontFee') THEN 'One-Time' ELSE 'Usage-Based' END AS ChargeFrequency,
    'AWS' AS ProviderName, LegalEntity AS PublisherName, InvoicingEntity AS InvoiceIssuerName, InvoiceId,
    PayerAccountId AS BillingAccountId, PayerAccountName AS BillingAccountName, UsageAccountId AS SubAccountId, UsageAccountName AS SubAccountName,
    COALESCE(ProductName, entry(Product, 'product_name'), ServiceCode, ProductCode) AS ServiceName, Sku AS SkuId, RateCode AS SkuPriceId, UsageType AS SkuMeter,
    ResourceId, COALESCE(RegionCode, Region, entry(Product, 'region')) AS RegionId,
    CASE WHEN LineItemType IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') THEN 'Committed' WHEN UsageType LIKE '%SpotUsage%' THEN 'Dynamic' WHEN is_usage THEN 'Standard' END AS PricingCategory,
    CASE WHEN is_usage THEN quantity(UsageAmount) END AS PricingQuantity, CASE WHEN is_usage THEN PricingUnit END AS PricingUnit,
    -- hours of a reservation that nobody drew, so that unused chips have their hours
    CASE WHEN is_usage THEN quantity(UsageAmount) WHEN is_unused_reservation THEN quantity(UnusedQuantity) END AS ConsumedQuantity,
    CASE WHEN is_usage THEN PricingUnit WHEN is_unused_reservation THEN 'Hrs' END AS ConsumedUnit,
    quantity(PublicOnDemandRate) AS ListUnitPrice,
    COALESCE(SavingsPlanArn, ReservationArn) AS CommitmentDiscountId,
    CASE WHEN SavingsPlanArn IS NOT NULL THEN 'Spend' WHEN ReservationArn IS NOT NULL THEN 'Usage' END AS CommitmentDiscountCategory,
    CASE WHEN is_unused THEN 'Unused' WHEN LineItemType IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') THEN 'Used' END AS CommitmentDiscountStatus,
    CASE
        WHEN Tags IS NULL AND AllTags IS NULL THEN '{' || NULLIF(members, '') || '}'
        WHEN ResourceTags IS NULL AND CostCategories IS NULL AND AllTags IS NULL AND IamPrincipal IS NULL THEN Tags
        -- Where a file has several of them, the later wins. In their canonical JSON only the quote of a key stands behind a brace or a comma.
        ELSE NULLIF(json(CAST(json_merge_patch(json_merge_patch(json_merge_patch(json_merge_patch(
            COALESCE(Tags, '{}'),
            COALESCE(regexp_replace(regexp_replace(json(ResourceTags), '([{,]")(user|aws)_', '\1\2:', 'g'), '":""', '":null', 'g'), '{}')),
            COALESCE(regexp_replace(regexp_replace(json(CostCategories), '([{,]")([^"])', '\1cost_category/\2', 'g'), '":""', '":null', 'g'), '{}')),
            COALESCE(regexp_replace(json(AllTags), '":""', '":null', 'g'), '{}')),
            json_object('aws:iam_principal', IamPrincipal)
        ) AS VARCHAR)), '{}')
    END AS Tags,
    CASE
        WHEN is_usage OR is_unused_reservation OR LineItemType = 'SavingsPlanNegation' OR is_block_fee
            THEN aws_machine_of(UsageType, COALESCE(InstanceType, entry(Product, 'instance_type')), COALESCE(ProductCode, ServiceCode))
    END AS x_machine,
    CASE
        WHEN LineItemType IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') OR (is_unused AND LineItemType = 'SavingsPlanRecurringFee') THEN 'savings_plan'
        WHEN LineItemType = 'DiscountedUsage' OR is_unused_reservation THEN 'reserved'
        WHEN is_of_block OR is_block_fee THEN 'capacity_block'
        WHEN is_usage AND is_unused_capacity(UsageType) THEN 'capacity_reservation'
        WHEN is_usage AND contains(UsageType, 'HostUsage:') THEN 'dedicated_host'
        WHEN UsageType LIKE '%SpotUsage%' THEN 'spot'
        WHEN is_usage THEN 'on_demand'
    END AS x_purchase_model,
    CASE WHEN is_usage AND token_class_of(UsageType) IS NOT NULL THEN COALESCE(marketplace_model_of(COALESCE(ProductName, entry(Product, 'product_name'))), token_model_of(UsageType)) END AS x_model_raw,
    CASE WHEN is_usage THEN token_class_of(UsageType) END AS x_token_class,
    stored, file_no, record_no, part_no
FROM parts
