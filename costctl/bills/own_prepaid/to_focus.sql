-- Prepaid schedules to charges. Grain: per record one charge; of an entry that is spread one for each day of the window that its month books.
-- What was paid is cut over all days of the window by their seconds, what does not divide stays on the first of the longest, and then the days of the
-- month are taken: all months together come to what was deferred. Only the effective cost is moved; the purchase has the other three.
-- Where an entry goes stands in Tags as `costctl_team` or `costctl_pool`, which no rule reroutes. Hours are those of the machines that were paid for.
WITH typed AS (
    SELECT
        *, money(amount) AS cost, CAST(date_trunc('month', instant(month_start)) AS TIMESTAMP) AS month_from,
        CAST(instant(entry_from) AS TIMESTAMP) AS starts, CAST(instant(entry_until) AS TIMESTAMP) AS ends, entry = 'spread' AS is_spread,
        CAST(instant(window_from) AS TIMESTAMP) AS opens, CAST(instant(window_until) AS TIMESTAMP) AS closes, whole(machines) AS counted
    FROM records
),

days AS (
    SELECT
        *, unnest(CASE WHEN is_spread THEN generate_series(date_trunc('day', opens), closes - INTERVAL 1 MICROSECOND, INTERVAL 1 DAY) ELSE [starts] END) AS day
    FROM typed
),

timed AS (
    SELECT
        *, CASE WHEN is_spread THEN greatest(day, opens) ELSE starts END AS day_from, CASE WHEN is_spread THEN least(day + INTERVAL 1 DAY, closes) ELSE ends END AS day_until
    FROM days
),

weighted AS (
    SELECT *, date_diff('second', day_from, day_until) AS weight, date_diff('second', opens, closes) AS total
    FROM timed
),

cut AS (
    SELECT
        *, ROW_NUMBER() OVER (PARTITION BY file_no, record_no ORDER BY weight DESC, day) AS place_of_day,
        CASE WHEN is_spread THEN share_of(cost, weight, total) ELSE cost END AS cost_of_day,
        share_of(CAST(counted AS DECIMAL(38, 18)), weight, 3600) AS hours_of_day, share_of(CAST(counted AS DECIMAL(38, 18)), total, 3600) AS hours
    FROM weighted
),

whole AS (
    SELECT
        *, CASE WHEN place_of_day = 1 THEN cost - (SUM(cost_of_day) OVER record - cost_of_day) ELSE cost_of_day END AS moved,
        CASE WHEN place_of_day = 1 THEN hours - (SUM(hours_of_day) OVER record - hours_of_day) ELSE hours_of_day END AS machine_hours
    FROM cut
    WINDOW record AS (PARTITION BY file_no, record_no)
)

SELECT
    CAST(0 AS DECIMAL(38, 18)) AS BilledCost, CASE entry WHEN 'deferred' THEN -moved ELSE moved END AS EffectiveCost,
    CAST(0 AS DECIMAL(38, 18)) AS ListCost, CAST(0 AS DECIMAL(38, 18)) AS ContractedCost,
    currency(currency) AS BillingCurrency, month_from AS BillingPeriodStart, month_from + INTERVAL 1 MONTH AS BillingPeriodEnd,
    day_from AS ChargePeriodStart, day_until AS ChargePeriodEnd,
    CASE entry WHEN 'deferred' THEN 'Purchase' WHEN 'drawn' THEN 'Credit' ELSE 'Usage' END AS ChargeCategory,
    concat(schedule, ': ', CASE entry WHEN 'deferred' THEN 'paid for later' WHEN 'drawn' THEN 'drawn' WHEN 'expired' THEN 'expired' ELSE 'part of the window' END,
        ' (', place, COALESCE('; ' || charge, ''), ')') AS ChargeDescription,
    CASE WHEN is_spread THEN 'Recurring' ELSE 'One-Time' END AS ChargeFrequency, provider AS ProviderName, publisher AS PublisherName, issuer AS InvoiceIssuerName,
    invoice AS InvoiceId, account AS BillingAccountId, CASE WHEN machine IS NULL THEN 'Other' ELSE 'Compute' END AS ServiceCategory, 'Prepaid schedule' AS ServiceName,
    schedule AS SkuId, entry AS SkuMeter, region AS RegionId,
    CASE WHEN entry IN ('spread', 'expired') THEN 'Committed' END AS PricingCategory,
    CASE WHEN entry IN ('spread', 'expired') THEN schedule END AS CommitmentDiscountId,
    CASE WHEN entry IN ('spread', 'expired') THEN 'Spend' END AS CommitmentDiscountCategory,
    CASE entry WHEN 'spread' THEN 'Used' WHEN 'expired' THEN 'Unused' END AS CommitmentDiscountStatus,
    machine_hours AS ConsumedQuantity, CASE WHEN machine_hours IS NOT NULL THEN 'Hrs' END AS ConsumedUnit,
    COALESCE(machine_hours, 1) AS PricingQuantity, CASE WHEN machine_hours IS NOT NULL THEN 'Hrs' ELSE 'Units' END AS PricingUnit,
    '{' || NULLIF(joined_members([
        tag_member('costctl_model', model), tag_member('costctl_pool', pool), tag_member('costctl_purpose', purpose), tag_member('costctl_team', team)
    ]), '') || '}' AS Tags,
    machine AS x_machine, purchase_model AS x_purchase_model, model_raw AS x_model_raw,
    stored, file_no, record_no, CAST(ROW_NUMBER() OVER (PARTITION BY file_no, record_no ORDER BY day) AS INTEGER) AS part_no
FROM whole
WHERE NOT is_spread OR (day_from >= starts AND day_from < ends)
