-- Prepaid schedules month by month: the balance that a month begins with, what was paid, used and expired in it, and the balance it ends with.
-- Grain: one row per schedule, currency and month with a balance or a movement; a schedule that moves nothing has one row that says why.
-- The sums are those of the ledger: opening + paid - used - expired = closing, and closing is the opening of the next month.
-- Title: prepaid schedules
-- Calendar: billing
-- Wide: schedule, kind, provider, period, opening, paid, used, expired, closing, ends, state
-- Narrow: schedule, period, opening, paid, used, expired, closing, state
-- Total: none
-- Empty: no prepaid schedules
WITH moved AS (
    SELECT
        SkuId AS schedule, BillingCurrency AS currency, billing_period AS period,
        CAST('0' AS DECIMAL(38, 18)) - COALESCE(SUM(CASE WHEN SkuMeter = 'deferred' THEN EffectiveCost END), CAST('0' AS DECIMAL(38, 18))) AS paid,
        COALESCE(SUM(CASE WHEN SkuMeter IN ('spread', 'drawn') THEN EffectiveCost END), CAST('0' AS DECIMAL(38, 18))) AS used,
        COALESCE(SUM(CASE WHEN SkuMeter = 'expired' THEN EffectiveCost END), CAST('0' AS DECIMAL(38, 18))) AS expired,
        CAST('0' AS DECIMAL(38, 18)) - SUM(EffectiveCost) AS change
    FROM charges
    WHERE source = 'own' AND ServiceName = 'Prepaid schedule'
    GROUP BY SkuId, BillingCurrency, billing_period
),

months AS (SELECT DISTINCT billing_period AS period FROM charge_groups WHERE billing_period >= $start AND billing_period < $end),

rolled AS (
    SELECT
        s.schedule, s.kind, s.provider, s.place, s.ends, s.BillingCurrency AS currency, n.period,
        COALESCE(SUM(CASE WHEN m.period < n.period THEN m.change END), CAST('0' AS DECIMAL(38, 18))) AS opening,
        COALESCE(SUM(CASE WHEN m.period = n.period THEN m.paid END), CAST('0' AS DECIMAL(38, 18))) AS paid,
        COALESCE(SUM(CASE WHEN m.period = n.period THEN m.used END), CAST('0' AS DECIMAL(38, 18))) AS used,
        COALESCE(SUM(CASE WHEN m.period = n.period THEN m.expired END), CAST('0' AS DECIMAL(38, 18))) AS expired,
        SUM(m.change) AS closing, MAX(CASE WHEN m.period = n.period THEN 1 ELSE 0 END) AS movements
    FROM prepaid_schedules AS s
    INNER JOIN moved AS m ON m.schedule = s.schedule AND m.currency = s.BillingCurrency
    INNER JOIN months AS n ON m.period <= n.period
    GROUP BY s.schedule, s.kind, s.provider, s.place, s.ends, s.BillingCurrency, n.period
)

SELECT schedule, kind, provider, period, opening, paid, used, expired, closing, CAST(ends AS VARCHAR) AS ends, 'in force' AS state, place, CAST(NULL AS VARCHAR) AS why, currency
FROM rolled
WHERE opening <> 0 OR movements = 1
UNION ALL
SELECT
    schedule, kind, provider, CAST(NULL AS DATE), CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)),
    CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)), CAST(ends AS VARCHAR), 'moves nothing', place,
    CONCAT(schedule, ', ', place, ': ', reason), BillingCurrency
FROM prepaid_schedules
WHERE reason IS NOT NULL
ORDER BY currency, state, schedule, period
