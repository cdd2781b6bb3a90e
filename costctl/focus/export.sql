-- Charges as rows of a FOCUS 1.2 Cost and Usage file: its 57 columns in the order of the specification, then ours as x_.
-- Grain: one row per charge, or per part of one that is cut where a rule or a team changes. CHARGES() is the ledger's charges with every optional column it does not store as NULL, RULES() the
-- compiled rules; team, model and purpose are named as in models/11_attributed_groups.sql. A charge of a pool has no team: x_pool says which.
WITH placed AS (
    SELECT
        *, RULES() AS outcome, CAST(ChargePeriodStart AS DATE) AS day,
        CASE WHEN contains(SkuMeter, 'EBS:') THEN 'EBS:' ELSE '' END AS meter
    FROM CHARGES()
),

roster AS (SELECT count(*) AS teams FROM team_aliases),

services AS (SELECT unnest($service_names) AS service, unnest($service_meters) AS meter, unnest($service_categories) AS category)

SELECT
    c.AvailabilityZone, c.BilledCost, c.BillingAccountId, c.BillingAccountName, c.BillingAccountType, c.BillingCurrency,
    c.BillingPeriodEnd AT TIME ZONE 'UTC' AS BillingPeriodEnd, c.BillingPeriodStart AT TIME ZONE 'UTC' AS BillingPeriodStart,
    c.CapacityReservationId, c.CapacityReservationStatus, c.ChargeCategory, c.ChargeClass, c.ChargeDescription, c.ChargeFrequency,
    c.ChargePeriodEnd AT TIME ZONE 'UTC' AS ChargePeriodEnd, c.ChargePeriodStart AT TIME ZONE 'UTC' AS ChargePeriodStart,
    c.CommitmentDiscountCategory, c.CommitmentDiscountId, c.CommitmentDiscountName, c.CommitmentDiscountQuantity,
    c.CommitmentDiscountStatus, c.CommitmentDiscountType, c.CommitmentDiscountUnit, c.ConsumedQuantity, c.ConsumedUnit,
    c.ContractedCost, c.ContractedUnitPrice, c.EffectiveCost, c.InvoiceId, c.InvoiceIssuerName, c.ListCost, c.ListUnitPrice,
    c.PricingCategory, c.PricingCurrency, c.PricingCurrencyContractedUnitPrice, c.PricingCurrencyEffectiveCost, c.PricingCurrencyListUnitPrice,
    c.PricingQuantity, c.PricingUnit, c.ProviderName, c.PublisherName, c.RegionId, c.RegionName, c.ResourceId, c.ResourceName, c.ResourceType,
    -- the bill's own word, else what services.csv knows of AWS; any other stays empty
    COALESCE(c.ServiceCategory, CASE WHEN c.ProviderName = 'AWS' THEN COALESCE(metered.category, general.category) END) AS ServiceCategory,
    c.ServiceName, c.ServiceSubcategory, c.SkuId, c.SkuMeter, c.SkuPriceDetails, c.SkuPriceId,
    c.SubAccountId, c.SubAccountName, c.SubAccountType, c.Tags,
    CASE WHEN t.team IS NOT NULL THEN t.team WHEN r.teams = 0 THEN trim(c.outcome.team) END AS x_team,
    COALESCE(declared.model, lower(trim(COALESCE(c.outcome.model, c.tag_model))), billed.model) AS x_model,
    COALESCE(lower(trim(COALESCE(c.outcome.purpose, c.tag_purpose))), t.purpose) AS x_purpose,
    c.outcome.pool AS x_pool, c.x_machine, c.x_purchase_model, c.x_model_raw, c.x_token_class,
    c.source AS x_source, c.delivery_id AS x_delivery_id, f.sha256 AS x_file, c.file_no AS x_file_no, c.record_no AS x_record_no, c.part_no AS x_part_no
FROM placed AS c
CROSS JOIN roster AS r
LEFT JOIN delivery_files AS f ON f.delivery_id = c.delivery_id AND f.file_no = c.file_no
LEFT JOIN services AS general ON general.service = c.ServiceName AND general.meter = ''
LEFT JOIN services AS metered ON metered.service = c.ServiceName AND metered.meter = c.meter
LEFT JOIN team_aliases AS t ON t.raw = lower(trim(c.outcome.team)) AND c.day >= t.valid_from AND c.day < t.valid_to
LEFT JOIN model_names AS declared ON declared.billing_period = c.billing_period
    AND declared.raw = lower(trim(COALESCE(c.outcome.model, c.tag_model))) AND c.day >= declared.valid_from AND c.day < declared.valid_to
LEFT JOIN model_names AS billed ON billed.billing_period = c.billing_period AND billed.raw = lower(trim(c.x_model_raw)) AND c.day >= billed.valid_from AND c.day < billed.valid_to
