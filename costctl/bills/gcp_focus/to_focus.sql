-- Google Cloud's FOCUS to charges. Grain: one charge per record (part_no 1), then one per promotional credit, which Google has inside
-- BilledCost and EffectiveCost; the parts sum to both. Fees of commitments are as Google states them: not spread over what they cover.
WITH typed AS MATERIALIZED (
    SELECT
        *, CAST(date_trunc('month', instant(BillingPeriodStart)) AS TIMESTAMP) AS period, money(BilledCost) AS billed, money(EffectiveCost) AS effective,
        COALESCE(lower(CostType), 'regular') AS cost_type, regexp_matches(ChargeDescription, '\b(Spot|Preemptible)\b') AS is_spot,
        list_transform(COALESCE(credits(Credits), []), lambda c: {'amount': c.amount, 'type': credit_type_of(c.type, c.name), 'id': c.id, 'name': c.name}) AS given
    FROM records
),

versions AS (
    SELECT period, concat(strftime(max(instant(ExportTime)), '%Y-%m-%dT%H:%M:%S.%fZ'), ' ', lpad(CAST(count(*) AS VARCHAR), 12, '0')) AS version
    FROM typed
    GROUP BY ALL
),

split AS (
    SELECT
        *, [c for c in given if c.amount <> 0 AND NOT is_discount(c.type)] AS apart,
        list_contains([c.type for c in given], 'FEE_UTILIZATION_OFFSET') AS is_offset, cost_type = 'regular' AND COALESCE(ChargeDescription LIKE 'Commitment%', FALSE) AS is_commitment,
        list_filter(given, lambda c: c.type IN ('COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'))[1] AS covering,
        lower(ConsumedUnit) = 'seconds' AND lower(PricingUnit) = 'hour' AS is_timed,
        flatten(list_transform(
            [{'of': '', 'text': ViewTags}, {'of': '', 'text': Labels}, {'of': 'project/', 'text': ProjectLabels}, {'of': 'system/', 'text': SystemLabels}, {'of': 'tag/', 'text': TagBindings}],
            lambda c: namespaced(labels(c.text), c.of)
        )) AS labelled
    FROM typed
),

listed AS (
    SELECT
        *, COALESCE(list_sum([c.amount for c in apart]), CAST(0 AS DECIMAL(38, 18))) AS paid,
        NOT is_commitment AND NOT is_offset AND (covering IS NOT NULL OR COALESCE(ConsumptionModel, 'Default') <> 'Default') AS is_covered,
        list_concat(
            [{'kind': CASE WHEN is_offset THEN 'unused' WHEN is_commitment THEN 'fee' WHEN cost_type = 'regular' THEN 'usage' ELSE cost_type END, 'amount': CAST(NULL AS DECIMAL(38, 18)), 'type': '', 'name': ChargeDescription}],
            [{'kind': 'credit', 'amount': c.amount, 'type': c.type, 'name': c.name} for c in apart]
        ) AS list
    FROM split
),

parts AS (SELECT *, p.kind AS kind FROM (SELECT *, unnest(list) AS p, generate_subscripts(list, 1) AS part_no FROM listed))

SELECT
    CASE kind WHEN 'credit' THEN p.amount ELSE billed - paid END AS BilledCost,
    CASE kind WHEN 'credit' THEN p.amount ELSE effective - paid END AS EffectiveCost,
    CASE WHEN kind = 'credit' THEN p.amount WHEN kind IN ('fee', 'unused') THEN CAST(0 AS DECIMAL(38, 18)) ELSE money(ListCost) END AS ListCost,
    CASE WHEN kind = 'credit' THEN p.amount WHEN kind IN ('fee', 'unused') THEN CAST(0 AS DECIMAL(38, 18)) ELSE money(ContractedCost) END AS ContractedCost,
    currency(BillingCurrency) AS BillingCurrency, parts.period AS BillingPeriodStart, parts.period + INTERVAL 1 MONTH AS BillingPeriodEnd,
    instant(ChargePeriodStart) AS ChargePeriodStart, instant(ChargePeriodEnd) AS ChargePeriodEnd,
    CASE
        WHEN kind = 'credit' THEN 'Credit' WHEN kind = 'fee' THEN 'Purchase'
        WHEN lower(ChargeCategory) IN ('usage', 'purchase', 'tax', 'credit') THEN concat(upper(ChargeCategory[1]), lower(ChargeCategory[2:]))
        ELSE 'Adjustment'
    END AS ChargeCategory,
    CASE WHEN ChargeClass IS NOT NULL THEN 'Correction' END AS ChargeClass,
    CASE WHEN kind = 'credit' AND p.type NOT IN ('PROMOTION', 'CREDIT_TYPE_UNSPECIFIED') THEN concat('credit of unknown type ', COALESCE(NULLIF(p.type, ''), '(none)'), ': ', p.name) ELSE p.name END AS ChargeDescription,
    CASE WHEN kind IN ('fee', 'unused') THEN 'Recurring' WHEN kind = 'usage' THEN 'Usage-Based' ELSE 'One-Time' END AS ChargeFrequency,
    COALESCE(ProviderName, 'Google Cloud') AS ProviderName, COALESCE(PublisherName, 'Google Cloud') AS PublisherName, 'Google Cloud' AS InvoiceIssuerName,
    BillingAccountId, COALESCE(ProjectId, SubAccountId) AS SubAccountId, SubAccountName, ServiceName, SkuId, SkuPriceId, ChargeDescription AS SkuMeter,
    ResourceId, COALESCE(RegionId, Location) AS RegionId,
    CASE WHEN kind = 'unused' OR kind = 'usage' AND is_covered THEN 'Committed' WHEN kind = 'usage' AND is_spot THEN 'Dynamic' WHEN kind IN ('usage', 'fee') THEN 'Standard' END AS PricingCategory,
    CASE WHEN kind = 'usage' THEN quantity(PricingQuantity) END AS PricingQuantity, CASE WHEN kind = 'usage' THEN PricingUnit END AS PricingUnit,
    CASE WHEN kind = 'usage' AND is_timed THEN quantity(PricingQuantity) WHEN kind = 'usage' THEN quantity(ConsumedQuantity) END AS ConsumedQuantity,
    CASE WHEN kind = 'usage' AND is_timed THEN PricingUnit WHEN kind = 'usage' THEN ConsumedUnit END AS ConsumedUnit,
    CASE WHEN kind IN ('fee', 'unused') THEN COALESCE(CommitmentDiscountId, SkuId) WHEN kind = 'usage' AND is_covered THEN COALESCE(CommitmentDiscountId, covering.id, covering.name) END AS CommitmentDiscountId,
    CASE
        WHEN kind IN ('fee', 'unused') THEN CASE WHEN is_offset OR ChargeDescription LIKE '%dollar based%' THEN 'Spend' ELSE 'Usage' END
        WHEN kind = 'usage' AND is_covered THEN CASE WHEN covering.type = 'COMMITTED_USAGE_DISCOUNT' THEN 'Usage' ELSE 'Spend' END
    END AS CommitmentDiscountCategory,
    CASE WHEN kind = 'unused' THEN 'Unused' WHEN kind = 'usage' AND is_covered THEN 'Used' END AS CommitmentDiscountStatus,
    tags_of(labelled) AS Tags,
    CASE WHEN kind = 'usage' THEN COALESCE(gcp_machine_of(ChargeDescription), gcp_host_of(ChargeDescription)) END AS x_machine,
    CASE
        WHEN kind IN ('fee', 'unused') OR kind = 'usage' AND is_covered THEN 'commitment'
        WHEN kind = 'usage' AND regexp_matches(ChargeDescription, 'DWS Calendar Mode|in Calendar Mode') THEN 'calendar_reservation'
        WHEN kind = 'usage' AND regexp_matches(ChargeDescription, '(?i)DWS|flex[- ]start') THEN 'flex_start'
        WHEN kind = 'usage' THEN CASE WHEN is_spot THEN 'spot' ELSE 'on_demand' END
    END AS x_purchase_model,
    CASE WHEN kind = 'usage' AND token_class_of(ChargeDescription) IS NOT NULL THEN token_model_of(ChargeDescription) END AS x_model_raw,
    CASE WHEN kind = 'usage' THEN token_class_of(ChargeDescription) END AS x_token_class,
    v.version AS x_version,
    stored, file_no, record_no, part_no
FROM parts
INNER JOIN versions AS v ON v.period = parts.period
