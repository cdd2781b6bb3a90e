-- What lies between billed and effective cost: every charge group under the one part that says why the two may differ.
-- Grain: one row per provider, billing account, currency and part. Their sums are those of the charges; place is the order of the bridge.
-- Keep: yes
WITH told_apart AS (
    SELECT
        provider, BillingAccountId, BillingCurrency, BilledCost, EffectiveCost, billed_unknown, effective_unknown, row_count,
        CASE
            WHEN source = 'own' AND ServiceName = 'Manual adjustment' THEN 17
            WHEN source = 'own' AND ServiceName = 'Prepaid schedule' AND ChargeCategory = 'Purchase' THEN 14
            WHEN source = 'own' AND ServiceName = 'Prepaid schedule' AND CommitmentDiscountStatus = 'Unused' THEN 16
            WHEN source = 'own' AND ServiceName = 'Prepaid schedule' THEN 15
            WHEN x_purchase_model = 'owned_amortised' AND ServiceName = 'Capital charge' THEN 13
            WHEN x_purchase_model = 'owned_amortised' THEN 12
            WHEN ChargeCategory = 'Tax' THEN 9
            WHEN ChargeCategory = 'Credit' THEN 7
            WHEN ChargeClass = 'Correction' THEN 8
            WHEN CommitmentDiscountStatus = 'Unused' THEN 6
            WHEN CommitmentDiscountStatus = 'Used' THEN 4
            WHEN ChargeCategory = 'Purchase' AND EffectiveCost = 0 AND NOT effective_incomplete THEN 3
            WHEN ChargeCategory = 'Purchase' THEN 2
            WHEN ChargeCategory = 'Adjustment' THEN 10
            WHEN x_purchase_model = 'savings_plan' THEN 5
            WHEN BilledCost = 0 AND EffectiveCost <> 0 THEN 11
            ELSE 1
        END AS place
    FROM charge_groups
    WHERE billing_period = $billing_period
),

parts AS (
    SELECT p.place, p.part FROM (VALUES
        (1, 'usage'), (2, 'purchases of the month'), (3, 'prepaid purchases'), (4, 'usage covered by commitments'), (5, 'negation of covered usage'),
        (6, 'unused commitments'), (7, 'credits'), (8, 'refunds and corrections'), (9, 'tax'), (10, 'adjustments'), (11, 'usage drawn from a prepayment'),
        (12, 'owned chips'), (13, 'capital charge on owned chips'), (14, 'prepaid, for later'), (15, 'prepaid, used'), (16, 'prepaid, expired'), (17, 'manual adjustments')
    ) AS p(place, part)
)

SELECT
    $billing_period AS billing_period, t.provider, t.BillingAccountId, t.BillingCurrency, t.place, p.part,
    SUM(t.BilledCost) AS BilledCost, SUM(t.EffectiveCost) AS EffectiveCost,
    CAST(SUM(CAST(t.billed_unknown AS DECIMAL(38, 0))) AS BIGINT) AS billed_unknown,
    CAST(SUM(CAST(t.effective_unknown AS DECIMAL(38, 0))) AS BIGINT) AS effective_unknown,
    CAST(SUM(CAST(t.row_count AS DECIMAL(38, 0))) AS BIGINT) AS row_count
FROM told_apart AS t
INNER JOIN parts AS p ON p.place = t.place
GROUP BY t.provider, t.BillingAccountId, t.BillingCurrency, t.place, p.part
