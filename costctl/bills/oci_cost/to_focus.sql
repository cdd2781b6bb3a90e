-- OCI cost report to charges. Grain: one charge per record. myCost is what the invoice charges; the overage columns repeat a part of it
-- and are not read. backreferenceNo is filled on ordinary records too: only isCorrection says what corrects. There is no list price,
-- and unit price times quantity is not always myCost (free tiers), so list and contracted cost are unknown. A tenancy is billed by
-- subscription; its compartments are the sub-accounts.
WITH typed AS (
    SELECT *, money(MyCost) AS cost, instant(UsageStart) AS starts, CAST(date_trunc('month', instant(UsageStart)) AS TIMESTAMP) AS month
    FROM records
)

SELECT
    cost AS BilledCost, cost AS EffectiveCost,
    CAST(NULL AS DECIMAL(38, 18)) AS ListCost, CAST(NULL AS DECIMAL(38, 18)) AS ContractedCost,
    currency(CurrencyCode) AS BillingCurrency,
    month AS BillingPeriodStart, month + INTERVAL 1 MONTH AS BillingPeriodEnd,
    starts AS ChargePeriodStart, instant(UsageEnd) AS ChargePeriodEnd,
    'Usage' AS ChargeCategory, CASE WHEN lower(IsCorrection) = 'true' THEN 'Correction' END AS ChargeClass,
    Description AS ChargeDescription, 'Usage-Based' AS ChargeFrequency,
    'Oracle' AS ProviderName, 'Oracle' AS PublisherName, 'Oracle' AS InvoiceIssuerName,
    COALESCE(SubscriptionId, TenantId) AS BillingAccountId, CompartmentId AS SubAccountId, CompartmentName AS SubAccountName,
    CASE
        WHEN Service IN ('COMPUTE') THEN 'Compute'
        WHEN Service IN ('BLOCK_STORAGE', 'OBJECTSTORE', 'FILE_STORAGE') THEN 'Storage'
        WHEN Service IN ('DATABASE', 'MYSQL') THEN 'Databases'
        WHEN Service IN ('NETWORK', 'LOAD_BALANCER') THEN 'Networking'
        WHEN Service IN ('TELEMETRY') THEN 'Management and Governance'
        WHEN Service IN ('ORACLE_STREAMING_SERVICE') THEN 'Integration'
    END AS ServiceCategory,
    Service AS ServiceName, ProductSku AS SkuId, Description AS SkuMeter, ResourceId, Region AS RegionId, 'Standard' AS PricingCategory,
    quantity(BilledQuantity) AS PricingQuantity, COALESCE(UnitDescription, BillingUnit) AS PricingUnit,
    quantity(UnitPrice) AS ContractedUnitPrice,
    Tags,
    oci_machine_of(ProductSku, Description) AS x_machine,
    'on_demand' AS x_purchase_model,
    stored, file_no, record_no, 1 AS part_no
FROM typed
