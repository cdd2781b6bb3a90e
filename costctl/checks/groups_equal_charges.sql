-- Every charge is in exactly one charge group: rows and costs agree per source, scope and billing period.
-- Grain: one row per source, scope and period where they differ.
WITH charged AS (
    SELECT
        source, scope, billing_period, CAST(COUNT(*) AS DECIMAL(38, 0)) AS row_count,
        COALESCE(SUM(BilledCost), CAST('0' AS DECIMAL(38, 18))) AS billed, COALESCE(SUM(EffectiveCost), CAST('0' AS DECIMAL(38, 18))) AS effective
    FROM charges
    GROUP BY source, scope, billing_period
),

grouped AS (
    SELECT source, scope, billing_period, SUM(CAST(row_count AS DECIMAL(38, 0))) AS row_count, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective
    FROM charge_groups
    GROUP BY source, scope, billing_period
)

SELECT
    COALESCE(c.source, g.source) AS source, COALESCE(c.scope, g.scope) AS scope, COALESCE(c.billing_period, g.billing_period) AS period,
    c.row_count AS charges, g.row_count AS grouped, c.billed AS charged_billed, g.billed AS grouped_billed
FROM charged AS c
FULL JOIN grouped AS g ON g.source = c.source AND g.scope = c.scope AND g.billing_period = c.billing_period
WHERE c.row_count IS DISTINCT FROM g.row_count OR c.billed IS DISTINCT FROM g.billed OR c.effective IS DISTINCT FROM g.effective
