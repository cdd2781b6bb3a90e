-- The tie-out: what the files added up to when they were read, the charges, the postings, and the difference, for each cost.
-- Grain: one row per source, billing period, currency and cost; then one per currency and cost, of source TOTAL.
WITH bills AS (
    SELECT
        d.source, t.billing_period, t.BillingCurrency AS currency, SUM(CAST(t.charges AS DECIMAL(38, 0))) AS records,
        SUM(t.BilledCost) AS billed, SUM(t.EffectiveCost) AS effective, SUM(t.ListCost) AS list, SUM(t.ContractedCost) AS contracted
    FROM delivery_totals AS t
    INNER JOIN deliveries AS d ON d.delivery_id = t.delivery_id
    INNER JOIN delivery_periods AS p ON p.delivery_id = t.delivery_id AND p.period = t.billing_period AND p.live
    WHERE t.billing_period >= $start AND t.billing_period < $end
    GROUP BY d.source, t.billing_period, t.BillingCurrency
),

charged AS (
    SELECT
        source, billing_period, BillingCurrency AS currency, COUNT(*) AS row_count,
        COALESCE(SUM(BilledCost), CAST('0' AS DECIMAL(38, 18))) AS billed, COALESCE(SUM(EffectiveCost), CAST('0' AS DECIMAL(38, 18))) AS effective,
        COALESCE(SUM(ListCost), CAST('0' AS DECIMAL(38, 18))) AS list, COALESCE(SUM(ContractedCost), CAST('0' AS DECIMAL(38, 18))) AS contracted,
        COUNT(*) - COUNT(BilledCost) AS billed_unknown, COUNT(*) - COUNT(EffectiveCost) AS effective_unknown,
        COUNT(*) - COUNT(ListCost) AS list_unknown, COUNT(*) - COUNT(ContractedCost) AS contracted_unknown
    FROM charges
    WHERE billing_period >= $start AND billing_period < $end
    GROUP BY source, billing_period, BillingCurrency
),

posted AS (
    SELECT
        source, billing_period, BillingCurrency AS currency, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective,
        SUM(ListCost) AS list, SUM(ContractedCost) AS contracted
    FROM postings
    WHERE billing_period >= $start AND billing_period < $end
    GROUP BY source, billing_period, BillingCurrency
),

set_aside AS (
    SELECT p.period AS billing_period, d.source, COUNT(DISTINCT CONCAT(q.delivery_id, ' ', q.file_no, ' ', q.record_no)) AS records
    FROM quarantine AS q
    INNER JOIN deliveries AS d ON d.delivery_id = q.delivery_id
    INNER JOIN (SELECT delivery_id, MIN(period) AS period FROM delivery_periods WHERE live GROUP BY delivery_id) AS p ON p.delivery_id = q.delivery_id
    GROUP BY p.period, d.source
),

lines AS (
    SELECT
        COALESCE(b.source, c.source) AS source, COALESCE(b.billing_period, c.billing_period) AS billing_period, COALESCE(b.currency, c.currency) AS currency,
        m.cost, m.place, COALESCE(c.row_count, CAST(0 AS BIGINT)) AS row_count, COALESCE(b.records, CAST(0 AS DECIMAL(38, 0))) AS records, COALESCE(a.records, CAST(0 AS BIGINT)) AS quarantined,
        COALESCE(CASE m.place WHEN 1 THEN b.billed WHEN 2 THEN b.effective WHEN 3 THEN b.list ELSE b.contracted END, CAST('0' AS DECIMAL(38, 18))) AS bill,
        COALESCE(CASE m.place WHEN 1 THEN c.billed WHEN 2 THEN c.effective WHEN 3 THEN c.list ELSE c.contracted END, CAST('0' AS DECIMAL(38, 18))) AS charges,
        COALESCE(CASE m.place WHEN 1 THEN p.billed WHEN 2 THEN p.effective WHEN 3 THEN p.list ELSE p.contracted END, CAST('0' AS DECIMAL(38, 18))) AS postings,
        COALESCE(CASE m.place WHEN 1 THEN c.billed_unknown WHEN 2 THEN c.effective_unknown WHEN 3 THEN c.list_unknown ELSE c.contracted_unknown END, CAST(0 AS BIGINT)) AS unknown
    FROM bills AS b
    FULL JOIN charged AS c ON c.source = b.source AND c.billing_period = b.billing_period AND c.currency = b.currency
    LEFT JOIN posted AS p ON p.source = c.source AND p.billing_period = c.billing_period AND p.currency = c.currency
    LEFT JOIN set_aside AS a ON a.source = b.source AND a.billing_period = b.billing_period
    CROSS JOIN (VALUES ('billed', 1), ('effective', 2), ('list', 3), ('contracted', 4)) AS m(cost, place)
),

every AS (
    SELECT source, billing_period, currency, cost, place, row_count, records, quarantined, bill, charges, postings, ABS(bill - charges) + ABS(charges - postings) AS difference, unknown
    FROM lines
    UNION ALL
    SELECT
        'TOTAL', CAST(NULL AS DATE), currency, cost, place, CAST(SUM(CAST(row_count AS DECIMAL(38, 0))) AS BIGINT), SUM(records),
        CAST(SUM(CAST(quarantined AS DECIMAL(38, 0))) AS BIGINT), SUM(bill), SUM(charges), SUM(postings),
        SUM(ABS(bill - charges) + ABS(charges - postings)), CAST(SUM(CAST(unknown AS DECIMAL(38, 0))) AS BIGINT)
    FROM lines
    GROUP BY currency, cost, place
)

-- a cost that no charge knows is unknown, not 0
SELECT
    source, STRFTIME(billing_period, '%Y-%m') AS billing_period, currency, cost, CAST(records AS BIGINT) AS records, quarantined,
    CASE WHEN unknown < row_count OR bill <> 0 THEN bill END AS bill, CASE WHEN unknown < row_count OR charges <> 0 THEN charges END AS charges,
    CASE WHEN unknown < row_count OR postings <> 0 THEN postings END AS postings, difference, unknown
FROM every
ORDER BY CASE WHEN billing_period IS NULL THEN 1 ELSE 0 END, source, billing_period, currency, place
