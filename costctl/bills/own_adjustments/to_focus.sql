-- Manual adjustments to charges. Grain: per record two charges of the month, what one team gives and what the other takes; they come to nothing.
-- Only the effective cost is moved. The others are 0, which is known: nothing is billed, and nothing is bought that would have a price.
-- The teams stand in Tags as `costctl_team`, which no rule reroutes.
WITH sides AS (
    SELECT
        *, money(amount) AS moved, CAST(date_trunc('month', instant(month_start)) AS TIMESTAMP) AS starts,
        unnest([{'part_no': 1, 'name': 'from', 'team': from_team}, {'part_no': 2, 'name': 'to', 'team': to_team}]) AS side
    FROM records
)

SELECT
    CAST(0 AS DECIMAL(38, 18)) AS BilledCost, CASE side.name WHEN 'from' THEN -moved ELSE moved END AS EffectiveCost,
    CAST(0 AS DECIMAL(38, 18)) AS ListCost, CAST(0 AS DECIMAL(38, 18)) AS ContractedCost,
    currency(currency) AS BillingCurrency, starts AS BillingPeriodStart, starts + INTERVAL 1 MONTH AS BillingPeriodEnd,
    starts AS ChargePeriodStart, starts + INTERVAL 1 MONTH AS ChargePeriodEnd, 'Adjustment' AS ChargeCategory,
    concat('from ', from_team, ' to ', to_team, ': ', reason, ' (approved by ', approver, '; ', place, ')') AS ChargeDescription,
    'One-Time' AS ChargeFrequency, COALESCE(provider, 'own') AS ProviderName, 'own' AS PublisherName, 'own' AS InvoiceIssuerName,
    'own' AS BillingAccountId, 'Other' AS ServiceCategory, 'Manual adjustment' AS ServiceName,
    COALESCE(id, 'manual') AS SkuId, side.name AS SkuMeter,
    '{' || joined_members([tag_member('costctl_model', model), tag_member('costctl_purpose', purpose), tag_member('costctl_team', side.team)]) || '}' AS Tags,
    stored, file_no, record_no, CAST(side.part_no AS INTEGER) AS part_no
FROM sides
