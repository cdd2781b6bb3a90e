-- What changed when a month was delivered again: every revision by account and service, its costs and their change to what it replaced.
-- Grain: one row per billing period, source, revision, account, service and currency; months delivered once are left out. The changes
-- of all revisions sum to what is in force. What a revision adds beside the one before (`--add`, appended files) is all change.
-- Title: revisions
-- Calendar: billing
-- Wide: period, source, revision, in_force=live, version, account, service, billed, billed_change=change, effective, effective_change=change
-- Narrow: period, revision, account, service, billed, billed_change=change
-- Total: none
WITH delivered AS (
    SELECT
        d.delivery_id, d.source, d.scope, d.dataset, COALESCE(d.decision, '-') AS decision, d.manifest, d.seq, p.period, p.version, p.live,
        ROW_NUMBER() OVER (PARTITION BY d.source, d.scope, d.dataset, p.period ORDER BY d.seq) AS revision,
        COUNT(*) OVER (PARTITION BY d.source, d.scope, d.dataset, p.period) AS revisions
    FROM deliveries AS d
    INNER JOIN delivery_periods AS p ON p.delivery_id = d.delivery_id
    -- what another kept at once was no revision
    LEFT JOIN takeovers AS t ON t.delivery_id = d.delivery_id AND t.seq = d.seq AND t.period = p.period
    WHERE d.kind = 'bill' AND p.period >= $start AND p.period < $end AND t.seq IS NULL
),

replaced AS (
    SELECT o.delivery_id, o.period, MIN(n.seq) AS seq
    FROM delivered AS o
    INNER JOIN delivered AS n ON n.source = o.source AND n.scope = o.scope AND n.dataset = o.dataset AND n.period = o.period
        AND n.seq > o.seq AND n.decision <> 'add'
    WHERE NOT o.live
    GROUP BY o.delivery_id, o.period
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
        n.delivery_id, n.period, t.SubAccountId, t.ServiceName, t.BillingCurrency, CAST(0 AS BIGINT), t.charges,
        CAST('0' AS DECIMAL(38, 18)), CAST('0' AS DECIMAL(38, 18)), CAST('0' AS DECIMAL(38, 18)), CAST('0' AS DECIMAL(38, 18)),
        t.BilledCost, t.EffectiveCost, t.ListCost, t.ContractedCost
    FROM replaced AS r
    INNER JOIN delivered AS n ON n.seq = r.seq AND n.period = r.period
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
ORDER BY s.BillingCurrency, d.period, d.source, d.scope, d.dataset, d.revision, s.SubAccountId, s.ServiceName
