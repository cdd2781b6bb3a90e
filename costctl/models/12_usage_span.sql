-- The days whose token counts a billing period needs: its calendar month, and the days that its bills charge; of bought tokens only those that they charge.
-- Grain: one row. Where a pool is split by periods, those days are whole months.
WITH slots AS (
    SELECT
        g.x_token_class, CASE WHEN p.pools > 0 THEN CAST(DATE_TRUNC('month', g.slot_start) AS DATE) ELSE CAST(g.slot_start AS DATE) END AS first_day,
        CASE
            WHEN p.pools > 0 THEN CAST(CAST(DATE_TRUNC('month', CAST(g.slot_end - INTERVAL '1' MICROSECOND AS TIMESTAMP)) AS TIMESTAMP) + INTERVAL '1' MONTH AS DATE)
            ELSE CAST(CAST(g.slot_end + INTERVAL '86399999999' MICROSECOND AS TIMESTAMP) AS DATE)     -- the day after the last that it touches
        END AS end_day
    FROM attributed_groups AS g
    CROSS JOIN (SELECT COUNT(*) AS pools FROM pools WHERE grain = 'period') AS p
)

SELECT
    $billing_period AS billing_period, LEAST($billing_period, COALESCE(MIN(first_day), $billing_period)) AS first_day,
    GREATEST($billing_period_end, COALESCE(MAX(end_day), $billing_period_end)) AS end_day,
    LEAST($billing_period, COALESCE(MIN(CASE WHEN x_token_class IS NOT NULL THEN first_day END), $billing_period)) AS bought_from,
    GREATEST($billing_period_end, COALESCE(MAX(CASE WHEN x_token_class IS NOT NULL THEN end_day END), $billing_period_end)) AS bought_until
FROM slots
