-- Azure cost files to charges: of one billing period the actual file says what is invoiced, the amortised file what commitments cost
-- where they are used. Grain: one charge per record that is not left out; README.md says which dataset supplies what, and why.
-- Source: Microsoft's page on converting Cost Management data to FOCUS, and its data dictionary of the columns.
WITH typed AS (
    SELECT
        *,
        us_date(Day) AS on_day,
        date_trunc('month', COALESCE(us_date(PeriodStart), us_date(Day))) AS period,    -- pay-as-you-go files have no billing period: the day's month
        money(Cost) AS cost_billed,
        quantity(Quantity) AS amount,
        quantity(PayGPrice) AS listed_price, quantity(UnitPrice) AS agreed_price, money(PayGCost) AS listed_cost,    -- once: a product names its factors seven times
        lower(CASE WHEN list_contains(present, 'ChargeType') THEN ChargeType ELSE 'Usage' END) AS charge_type,
        replace(lower(PricingModel), ' ', '') AS pricing_model,
        -- prices of a customer agreement are in the pricing currency
        CASE WHEN PricingCurrency = Currency OR (PricingCurrency IS NULL AND ExchangeRate IS NULL) THEN CAST(1 AS DECIMAL(38, 18)) ELSE quantity(ExchangeRate) END AS exchange_rate,
        CASE WHEN json_valid(braced(AdditionalInfo)) THEN braced(AdditionalInfo) END AS details,
        regexp_extract(UnitOfMeasure, '^\s*(\d+\s*[KM]?)\b', 1) AS block,
        NULLIF(trim(regexp_replace(UnitOfMeasure, '^\s*\d+\s*[KM]?\b\s*/?', '')), '') AS bare_unit
    FROM records
),

told AS (
    SELECT
        *,
        CASE
            WHEN charge_type = 'unusedsavingsplan' OR pricing_model = 'savingsplan' THEN 'Spend'
            WHEN charge_type = 'unusedreservation' OR pricing_model = 'reservation' THEN 'Usage'
            WHEN pricing_model IS NULL AND BenefitId ILIKE '%/microsoft.billingbenefits/%' THEN 'Spend'
            WHEN pricing_model IS NULL AND COALESCE(ReservationId, BenefitId) IS NOT NULL THEN 'Usage'
        END AS commitment,
        CASE WHEN regexp_full_match(block, '10*\s*[KM]?') THEN length(regexp_extract(block, '^1(0*)', 1)) + CASE right(block, 1) WHEN 'K' THEN 3 WHEN 'M' THEN 6 ELSE 0 END END AS tens
    FROM typed
),

roles AS (
    SELECT
        *,
        CASE
            WHEN charge_type IN ('unusedreservation', 'unusedsavingsplan') THEN 'unused'
            WHEN charge_type = 'usage' AND commitment IS NOT NULL THEN 'covered'
            WHEN charge_type = 'usage' THEN 'usage'
            WHEN charge_type IN ('purchase', 'refund') AND commitment IS NOT NULL THEN 'commitment'
            ELSE 'other'
        END AS role,
        max(CASE WHEN dataset = 'amortised' AND charge_type IN ('usage', 'unusedreservation', 'unusedsavingsplan') THEN on_day END) OVER (PARTITION BY period) AS amortised_until,
        bool_or(dataset = 'actual') OVER (PARTITION BY period) AS has_actual
    FROM told
),

measured AS (
    SELECT
        *,
        dataset = 'actual' AND COALESCE(on_day <= amortised_until, FALSE) AND role IN ('covered', 'unused') AS held_by_amortised,
        -- The quantity is in blocks of the unit or in units of it: price x quantity against the cost tells; without prices, hours are
        -- hours (blocks of hours exist in price sheets only) and blocks of thousands are blocks (the meter itself counts in them).
        CASE
            WHEN tens = 0 THEN FALSE
            WHEN role = 'usage' AND tens > 0 AND cost_billed <> 0 AND agreed_price <> 0
                THEN abs(CAST(agreed_price AS DOUBLE) * CAST(exchange_rate AS DOUBLE) * CAST(amount AS DOUBLE)) > abs(CAST(cost_billed AS DOUBLE)) * sqrt(10.0 ** tens)
            ELSE COALESCE(bare_unit ILIKE 'hour%', FALSE)
        END AS in_units,
        exact_product(listed_price, exchange_rate) AS list_price,
        exact_product(agreed_price, exchange_rate) AS unit_price,
        regexp_replace(lower(COALESCE(ResourceLocation, '')), '[ _]', '', 'g') AS place
    FROM roles
),

priced AS (
    SELECT
        *,
        -- a price of 0 for something that costs money, or that a commitment pays, stands for an unknown one
        CASE WHEN role = 'covered' OR cost_billed <> 0 THEN NULLIF(list_total, 0) ELSE list_total END AS list_known,
        CASE WHEN role = 'covered' OR cost_billed <> 0 THEN NULLIF(unit_total, 0) ELSE unit_total END AS unit_known
    FROM (
        SELECT
            *,
            COALESCE(NULLIF(listed_cost, 0), exact_product(CASE WHEN in_units THEN shifted(list_price, tens) ELSE list_price END, amount), listed_cost) AS list_total,
            exact_product(CASE WHEN in_units THEN shifted(unit_price, tens) ELSE unit_price END, amount) AS unit_total
        FROM measured
    )
)

SELECT
    CASE
        WHEN held_by_amortised AND role = 'covered' AND cost_billed = 0 THEN 'amortised holds it'
        WHEN dataset = 'amortised' AND has_actual AND role NOT IN ('covered', 'unused') THEN 'actual holds it'
    END AS x_excluded,
    CASE WHEN dataset = 'amortised' AND role IN ('covered', 'unused') THEN CAST(0 AS DECIMAL(38, 18)) ELSE cost_billed END AS BilledCost,
    CASE
        WHEN role = 'commitment' OR held_by_amortised THEN CAST(0 AS DECIMAL(38, 18))
        WHEN dataset = 'actual' AND role = 'covered' THEN CAST(NULL AS DECIMAL(38, 18))    -- what it costs only an amortised file says
        ELSE cost_billed
    END AS EffectiveCost,
    CASE WHEN role IN ('commitment', 'unused') OR held_by_amortised THEN CAST(0 AS DECIMAL(38, 18)) WHEN role IN ('usage', 'covered') THEN list_known ELSE cost_billed END AS ListCost,
    CASE WHEN role IN ('commitment', 'unused') OR held_by_amortised THEN CAST(0 AS DECIMAL(38, 18)) WHEN role IN ('usage', 'covered') THEN unit_known ELSE cost_billed END AS ContractedCost,
    currency(Currency) AS BillingCurrency,
    COALESCE(us_date(PeriodStart), period) AS BillingPeriodStart,
    COALESCE(us_date(PeriodEnd) + INTERVAL 1 DAY, period + INTERVAL 1 MONTH) AS BillingPeriodEnd,    -- the file's end is its last day
    on_day AS ChargePeriodStart, on_day + INTERVAL 1 DAY AS ChargePeriodEnd,
    CASE
        WHEN role IN ('usage', 'covered', 'unused') THEN 'Usage'
        WHEN charge_type IN ('purchase', 'refund') THEN 'Purchase'
        WHEN charge_type = 'tax' THEN 'Tax'
        WHEN charge_type = 'credit' THEN 'Credit'
        ELSE 'Adjustment'
    END AS ChargeCategory,
    CASE WHEN charge_type = 'refund' THEN 'Correction' END AS ChargeClass,
    COALESCE(ProductName, MeterName) AS ChargeDescription,
    CASE lower(Frequency) WHEN 'onetime' THEN 'One-Time' WHEN 'recurring' THEN 'Recurring' WHEN 'usagebased' THEN 'Usage-Based' END AS ChargeFrequency,
    'Microsoft' AS ProviderName, COALESCE(PublisherName, CASE WHEN lower(COALESCE(PublisherType, 'azure')) IN ('azure', 'microsoft') THEN 'Microsoft' END) AS PublisherName,
    COALESCE(PartnerName, 'Microsoft') AS InvoiceIssuerName, InvoiceId,
    COALESCE(BillingProfileId, BillingAccountId) AS BillingAccountId,    -- a customer agreement is invoiced per profile; with an enrolment both are one
    COALESCE(BillingProfileName, BillingAccountName) AS BillingAccountName,
    SubscriptionId AS SubAccountId, SubscriptionName AS SubAccountName,
    CASE
        WHEN ServiceFamily = 'AI + Machine Learning' THEN 'AI and Machine Learning'
        WHEN ServiceFamily IN ('Analytics', 'Compute', 'Databases', 'Developer Tools', 'Identity', 'Integration', 'Internet of Things', 'Management and Governance', 'Media', 'Migration', 'Mobile', 'Networking', 'Security', 'Storage', 'Web') THEN ServiceFamily
        WHEN ServiceFamily = 'Containers' THEN 'Compute'
        WHEN ServiceFamily IS NOT NULL THEN 'Other'
    END AS ServiceCategory,
    COALESCE(MeterCategory, ConsumedService, ProductName, ServiceFamily) AS ServiceName,
    COALESCE(ProductId, MeterId) AS SkuId, MeterName AS SkuMeter,
    lower(ResourceId) AS ResourceId,    -- services spell one resource in several cases
    CASE
        WHEN place = '' THEN NULL
        WHEN place = 'unassigned' THEN 'global'
        WHEN regexp_full_match(place, 'us(north|south|east|west|central)(central)?[0-9]?') THEN regexp_replace(place, '^us([a-z]+)([0-9]?)$', '\1us\2')
        WHEN regexp_full_match(place, 'eu(north|west)') THEN substr(place, 3) || 'europe'
        WHEN regexp_full_match(place, 'ap(south)?east') THEN substr(place, 3) || 'asia'
        WHEN regexp_full_match(place, 'ca(central|east)') THEN 'canada' || substr(place, 3)
        WHEN regexp_full_match(place, 'ja(east|west)') THEN 'japan' || substr(place, 3)
        ELSE place
    END AS RegionId,
    CASE WHEN role IN ('covered', 'unused') THEN 'Committed' WHEN pricing_model = 'spot' THEN 'Dynamic' WHEN role = 'usage' THEN 'Standard' END AS PricingCategory,
    CASE WHEN role IN ('usage', 'covered') AND NOT held_by_amortised AND NOT in_units THEN amount END AS PricingQuantity,
    CASE WHEN role IN ('usage', 'covered') AND NOT held_by_amortised AND NOT in_units THEN UnitOfMeasure END AS PricingUnit,
    -- hours of a reservation that nobody drew, so that unused chips have their hours
    CASE WHEN (role IN ('usage', 'covered') OR charge_type = 'unusedreservation') AND NOT held_by_amortised THEN amount END AS ConsumedQuantity,
    CASE WHEN (role IN ('usage', 'covered') OR charge_type = 'unusedreservation') AND NOT held_by_amortised THEN CASE WHEN in_units THEN COALESCE(bare_unit, 'Units') ELSE UnitOfMeasure END END AS ConsumedUnit,
    CASE WHEN role = 'covered' OR cost_billed <> 0 THEN NULLIF(list_price, 0) ELSE list_price END AS ListUnitPrice,
    CASE WHEN role = 'covered' OR cost_billed <> 0 THEN NULLIF(unit_price, 0) ELSE unit_price END AS ContractedUnitPrice,
    CASE WHEN commitment IS NOT NULL THEN lower(COALESCE(BenefitId, ReservationId)) END AS CommitmentDiscountId,
    commitment AS CommitmentDiscountCategory,
    CASE role WHEN 'unused' THEN 'Unused' WHEN 'covered' THEN 'Used' END AS CommitmentDiscountStatus,
    NULLIF(json_unbraced(Tags), '{}') AS Tags,
    CASE
        WHEN held_by_amortised THEN NULL
        WHEN role IN ('usage', 'covered') AND MeterCategory = 'Virtual Machines' THEN COALESCE(json_extract_string(details, '$.ServiceType'), azure_machine_of(MeterName))
        WHEN role IN ('usage', 'covered') AND MeterCategory IS NULL THEN azure_machine_of(MeterName)
        WHEN charge_type = 'unusedreservation' THEN COALESCE(json_extract_string(details, '$.ServiceType'), NULLIF(regexp_extract(concat_ws(' ', ProductOrderName, ProductName), '(Standard_\w+)', 1), ''), azure_machine_of(MeterName))
    END AS x_machine,
    CASE
        WHEN role IN ('covered', 'unused') THEN CASE commitment WHEN 'Spend' THEN 'savings_plan' ELSE 'reserved' END
        WHEN role = 'usage' AND (pricing_model = 'spot' OR regexp_matches(MeterName, ' (Spot|Low Priority)$')) THEN 'spot'
        WHEN role = 'usage' THEN 'on_demand'
    END AS x_purchase_model,
    CASE WHEN role IN ('usage', 'covered') AND token_class_of(MeterName) IS NOT NULL THEN token_model_of(MeterName) END AS x_model_raw,
    CASE WHEN role IN ('usage', 'covered') THEN token_class_of(MeterName) END AS x_token_class,
    stored, file_no, record_no, 1 AS part_no
FROM priced
