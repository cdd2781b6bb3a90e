-- What changed when a month was delivered again: every revision by account and service, its costs and their change to what it replaced.
-- Grain: one row per billing period, source, revision, account, service and currency; months delivered once are left out. The changes
-- of all revisions sum to what is in force. What a revision adds beside the one before (`--add`, appended files) is all change.
-- Title: revisions
-- Calendar: billing
-- Wide: period, source, revision, in_force=live, version, account, service, billed, billed_change=change, effective, effective_change=change
-- Narrow: period, revision, account, service, billed, billed_change=change
-- Total: none
-- Empty: nothing was delivered again
WITH takers AS (
    SELECT t.delivery_id, t.period, MAX(t.seq) AS seq
    FROM takeovers AS t
    GROUP BY t.delivery_id, t.period
),

-- a bill without a manifest has no scope: its month goes on as that of the export that took it over
heirs AS (
    SELECT o.source, o.dataset, t.period, MIN(CONCAT(n.scope, ' ', n.dataset)) AS history
    FROM takeovers AS t
    INNER JOIN intakes AS i ON i.seq = t.seq
    INNER JOIN deliveries AS n ON n.delivery_id = i.delivery_id
    INNER JOIN deliveries AS o ON o.delivery_id = t.delivery_id
    WHERE o.scope = '-' AND n.scope <> '-'
    GROUP BY o.source, o.dataset, t.period
),

placed AS (
    SELECT
        d.delivery_id, d.source, d.scope, d.dataset, d.manifest, d.seq, p.period, p.version, p.live,
        CASE WHEN d.scope = '-' AND h.history IS NOT NULL THEN h.history ELSE CONCAT(d.scope, ' ', d.dataset) END AS history
    FROM deliveries AS d
    INNER JOIN delivery_periods AS p ON p.delivery_id = d.delivery_id
    LEFT JOIN heirs AS h ON h.source = d.source AND h.dataset = d.dataset AND h.period = p.period
    -- what another kept at once was no revision
    LEFT JOIN takeovers AS t ON t.delivery_id = d.delivery_id AND t.seq = d.seq AND t.period = p.period
    WHERE d.kind = 'bill' AND p.period >= $start AND p.period < $end AND t.seq IS NULL
),

delivered AS (
    SELECT
        delivery_id, source, scope, dataset, manifest, history, period, version, live,
        ROW_NUMBER() OVER (PARTITION BY source, history, period ORDER BY seq) AS revision,
        COUNT(*) OVER (PARTITION BY source, history, period) AS revisions
    FROM placed
),

replaced AS (
    SELECT o.delivery_id, o.period, i.delivery_id AS by_delivery
    FROM delivered AS o
    INNER JOIN takers AS t ON t.delivery_id = o.delivery_id AND t.period = o.period
    INNER JOIN intakes AS i ON i.seq = t.seq
    WHERE NOT o.live
),

amounts AS (
    SELECT
        d.delivery_id, d.period, t.SubAccountId, t.ServiceName, t.BillingCurrency, t.charges, CAST(0 AS BIGINT) AS charges_before,
        t.BilledCost AS billed, t.EffectiveCost AS effective, t.ListCost AS list, t.ContractedCost AS contracted,
        CAST('0' AS DECIMAL(38, 18)) AS billed_before, CAST('0' AS DECIMAL(38, 18)) AS effective_before,
        CAST('0' AS DECIMAL(38, 18)) AS list_before, CAST('0' AS DECIMAL(38, 18)) AS contracted_before
    FROM delivered AS d
    INNER JOIN delivery_totals AS t ON t.delivery_id = d.delivery_id AND t.billing_period = d.period
    WHERE d.revisions > 1
    UNION ALL
    SELECT
        r.by_delivery, r.period, t.SubAccountId, t.ServiceName, t.BillingCurrency, CAST(0 AS BIGINT), t.charges,
        CAST('0' AS DECIMAL(38, 18)), CAST('0' AS DECIMAL(38, 18)), CAST('0' AS DECIMAL(38, 18)), CAST('0' AS DECIMAL(38, 18)),
        t.BilledCost, t.EffectiveCost, t.ListCost, t.ContractedCost
    FROM replaced AS r
    INNER JOIN delivery_totals AS t ON t.delivery_id = r.delivery_id AND t.billing_period = r.period
),

summed AS (
    SELECT
        delivery_id, period, SubAccountId, ServiceName, BillingCurrency,
        SUM(CAST(charges AS DECIMAL(38, 0))) AS charges, SUM(CAST(charges_before AS DECIMAL(38, 0))) AS charges_before,
        SUM(billed) AS billed, SUM(effective) AS effective, SUM(list) AS list, SUM(contracted) AS contracted,
        SUM(billed_before) AS billed_before, SUM(effective_before) AS effective_before, SUM(list_before) AS list_before, SUM(contracted_before) AS contracted_before
    FROM amounts
    GROUP BY delivery_id, period, SubAccountId, ServiceName, BillingCurrency
)

SELECT
    d.period, d.source, d.scope, d.dataset, CAST(d.revision AS VARCHAR) AS revision, CASE WHEN d.live THEN 'yes' ELSE 'no' END AS in_force,
    d.version, d.manifest, s.SubAccountId AS account, s.ServiceName AS service, CAST(s.charges AS BIGINT) AS charges,
    CAST(s.charges - s.charges_before AS BIGINT) AS charges_change,
    s.billed, s.billed - s.billed_before AS billed_change, s.effective, s.effective - s.effective_before AS effective_change,
    s.list, s.list - s.list_before AS list_change, s.contracted, s.contracted - s.contracted_before AS contracted_change,
    s.BillingCurrency AS currency
FROM summed AS s
INNER JOIN delivered AS d ON d.delivery_id = s.delivery_id AND d.period = s.period
ORDER BY s.BillingCurrency, d.period, d.source, d.history, d.revision, s.SubAccountId, s.ServiceName
